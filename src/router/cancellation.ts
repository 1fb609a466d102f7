import type { AegisError } from '../domain/errors.js';

/**
 * The end of a request's way before its time. All that the request's signal keeps: an open stream needs nothing else of
 * the way it came.
 */
export class Cancellation {
  /** What is under way, and ended with it. */
  current: { cancel(reason: AegisError): void } | null = null;
  /** Ends a wait. */
  wake: (() => void) | null = null;
  private givenReason: AegisError | null = null;

  /** Null while nobody cancelled. */
  get reason(): AegisError | null {
    return this.givenReason;
  }

  /** Aborts what is under way, a stream that has begun included. Nothing is tried any more. */
  cancel(reason: AegisError): void {
    this.givenReason ??= reason;
    this.current?.cancel(reason);
    this.wake?.();
  }

  throwIfCancelled(): void {
    if (this.givenReason) throw this.givenReason;
  }
}
