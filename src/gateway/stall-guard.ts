import type { ServerResponse } from 'node:http';

/** A client that takes nothing of what waits for it for this long is gone, whatever its connection says. */
export const CLIENT_STALL_MS = 60_000;

/**
 * Calls `onStall` where an answer waits and its client takes none of it for `stallMs`. Node's own timer of the socket
 * does the watching: it knows how much of a large write has left, and starts again with every byte.
 */
export function watchForStall(response: ServerResponse, onStall: () => void, stallMs = CLIENT_STALL_MS): void {
  response.setTimeout(stallMs, () => {
    // Where nothing waits, it is the answer that is slow, not its reader.
    if (response.writableLength > 0) onStall();
  });
}
