import { setImmediate as immediate } from 'node:timers/promises';
import { UpstreamError } from '../domain/upstream-error.js';
import { type CallLimits, UpstreamCall, type UpstreamReader } from './upstream-call.js';

/**
 * A call to a provider inside this process: the same limits, flow and end as over a network. Its answer has status
 * 200; it fails by throwing an `UpstreamError`.
 */
export class LocalCall extends UpstreamCall {
  private readonly pieces: AsyncIterator<Buffer>;
  private release: (() => void) | null = null;

  constructor(answer: AsyncIterable<Buffer>, limits: CallLimits, reader: UpstreamReader) {
    super(reader, limits);
    this.pieces = answer[Symbol.asyncIterator]();
  }

  start(): this {
    this.begin();
    this.enterPhase('first_byte');
    void this.pump();
    return this;
  }

  protected override holdBytes(): void {
    // The pump looks before each piece.
  }

  protected override releaseBytes(): void {
    this.release?.();
    this.release = null;
  }

  protected override cut(): void {
    this.releaseBytes();
    // A generator that is busy ends once it comes to its next piece; nobody waits for it.
    this.pieces.return?.().catch(() => undefined);
  }

  private async pump(): Promise<void> {
    try {
      let next = await this.pieces.next();
      this.takeHeaders(200, {});
      while (!this.isOver && next.done !== true) {
        this.takePiece(next.value);
        // As between two reads of a socket: an answer that is never waited for must not keep others waiting.
        await immediate();
        if (this.isPaused) await this.released();
        if (this.isOver) return;
        next = await this.pieces.next();
      }
      this.takeEnd();
    } catch (thrown) {
      this.fail(
        thrown instanceof UpstreamError
          ? thrown
          : new UpstreamError('transient', 'The provider failed to answer.', { status: null }, { cause: thrown }),
      );
    }
  }

  private released(): Promise<void> {
    return new Promise((resolve) => {
      this.release = resolve;
    });
  }
}
