import { Injectable } from '@nestjs/common';

/** Retries a target may get at once, whatever came before. */
const MOST_TOKENS = 5;
/** Every first attempt earns this much of a retry. */
const EARNED_PER_ATTEMPT = 0.1;

/**
 * Keeps retries from multiplying the load on a target that fails: beyond a small reserve, one retry for every ten
 * requests. Falling back to another target costs nothing here.
 */
@Injectable()
export class RetryBudget {
  /** By target id; absent = full. */
  private readonly tokens = new Map<string, number>();

  earn(targetId: string): void {
    const tokens = this.tokens.get(targetId);
    if (tokens === undefined) return;
    if (tokens + EARNED_PER_ATTEMPT >= MOST_TOKENS) this.tokens.delete(targetId);
    else this.tokens.set(targetId, tokens + EARNED_PER_ATTEMPT);
  }

  /** False where the target has had its share of retries. */
  spend(targetId: string): boolean {
    const tokens = this.tokens.get(targetId) ?? MOST_TOKENS;
    if (tokens < 1) return false;
    this.tokens.set(targetId, tokens - 1);
    return true;
  }
}
