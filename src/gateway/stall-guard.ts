import type { ServerResponse } from 'node:http';

/** A client that takes nothing of what waits for it for this long is gone, whatever its connection says. */
const CLIENT_STALL_MS = 60_000;

/** Cuts an answer off whose reader has stopped reading. Costs nothing while nothing waits. */
export class StallGuard {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly response: ServerResponse,
    private readonly onStall: () => void,
    private readonly stallMs: number = CLIENT_STALL_MS,
  ) {}

  /** To be called after a write: watches until nothing waits any more. */
  watch(): void {
    if (this.timer !== undefined || this.response.writableLength === 0) return;
    const waitingBytes = this.response.writableLength;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.response.writableLength >= waitingBytes) this.onStall();
      else this.watch();
    }, this.stallMs);
    this.timer.unref();
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
