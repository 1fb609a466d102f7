import type { TokenUsage } from './usage.js';

/** Prices of one model in nano-USD (10^-9 USD) per million tokens, so that every published price is an integer. */
export interface Price {
  readonly inputNanoUsd: bigint;
  readonly cachedInputNanoUsd: bigint;
  readonly cacheWriteNanoUsd: bigint;
  readonly outputNanoUsd: bigint;
}

const TOKENS_PER_PRICE = 1_000_000n;

/** Cost in nano-USD, rounded up once at the end. Cached and cache-write tokens are part of the prompt's. */
export function computeCostNanoUsd(usage: TokenUsage, price: Price): bigint {
  const cached = BigInt(usage.cachedPromptTokens);
  const written = BigInt(usage.cacheWriteTokens);
  const uncached = BigInt(usage.promptTokens) - cached - written;
  const total =
    (uncached > 0n ? uncached : 0n) * price.inputNanoUsd +
    cached * price.cachedInputNanoUsd +
    written * price.cacheWriteNanoUsd +
    BigInt(usage.completionTokens) * price.outputNanoUsd;
  return (total + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE;
}
