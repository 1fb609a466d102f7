/** So long without a refusal, and what comes next is another overload. */
const OVER_AFTER_MS = 5_000;
const SHORTEST_MS = 1_000;
const LONGEST_MS = 30_000;
/** Of how many requests the share of refused ones is, about. */
const REMEMBERED = 256;

/**
 * When a refused client should come again. How long an overload goes on nobody knows; the best guess is as long as it
 * has gone on, and who comes again meanwhile is let in as often as others are. The answer is spread by half to both
 * sides, so that those who were refused together do not come back together.
 */
export class RetryAdvice {
  private beganAtMs = Number.NEGATIVE_INFINITY;
  private refusedAtMs = Number.NEGATIVE_INFINITY;
  private refusedShare = 0;

  constructor(private readonly random: () => number = Math.random) {}

  admitted(): void {
    this.refusedShare -= this.refusedShare / REMEMBERED;
  }

  /** Milliseconds to stay away. */
  refused(nowMs: number): number {
    if (nowMs - this.refusedAtMs > OVER_AFTER_MS) this.beganAtMs = nowMs;
    this.refusedAtMs = nowMs;
    this.refusedShare += (1 - this.refusedShare) / REMEMBERED;
    const guessMs = (nowMs - this.beganAtMs) * this.refusedShare;
    return Math.min(Math.max(guessMs, SHORTEST_MS), LONGEST_MS) * (0.5 + this.random());
  }
}
