import { Injectable } from '@nestjs/common';

/** Retries a provider may get at once, whatever came before. */
const MOST_TOKENS = 10;
/** Every first attempt earns this much of a retry. */
const EARNED_PER_ATTEMPT = 0.2;

/**
 * Keeps retries from multiplying the load on a provider that fails: beyond a small reserve, one retry for every five
 * requests. Falling back to another target costs nothing here.
 */
@Injectable()
export class RetryBudget {
  /** By provider name; absent = full. */
  private readonly tokens = new Map<string, number>();

  earn(provider: string): void {
    const tokens = this.tokens.get(provider);
    if (tokens === undefined) return;
    if (tokens + EARNED_PER_ATTEMPT >= MOST_TOKENS) this.tokens.delete(provider);
    else this.tokens.set(provider, tokens + EARNED_PER_ATTEMPT);
  }

  /** False where the provider has had its share of retries. */
  spend(provider: string): boolean {
    const tokens = this.tokens.get(provider) ?? MOST_TOKENS;
    if (tokens < 1) return false;
    this.tokens.set(provider, tokens - 1);
    return true;
  }
}
