import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a connection may keep its worker. Rare enough to cost nothing, even where a connection begins with TLS. */
export interface Turn {
  readonly mostRequests: number;
  readonly mostMs: number;
}

const TURN: Turn = { mostRequests: 500, mostMs: 60_000 };

/**
 * Ends connections after their turn, between two requests: their clients open new ones, which go to whichever worker is
 * free first. Else those that were opened at once, or before a worker was replaced, would stay where they are for good.
 */
export function endLongConnections(server: Server, { mostRequests, mostMs }: Turn = TURN): void {
  const turns = new WeakMap<Socket, { requests: number; readonly endsAtMs: number }>();
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    let turn = turns.get(socket);
    if (!turn) {
      turn = { requests: 0, endsAtMs: performance.now() + mostMs };
      turns.set(socket, turn);
    }
    turn.requests++;
    // Node says `connection: close` with the answer, and closes behind it.
    if (turn.requests >= mostRequests || performance.now() >= turn.endsAtMs) response.shouldKeepAlive = false;
  });
}
