import { computeCostNanoUsd, type Price } from '../../../src/domain/money.js';
import type { TokenUsage } from '../../../src/domain/usage.js';

/** USD 3 in, 0.30 cached, 3.75 written, 15 out, each per million tokens. */
const price: Price = {
  inputNanoUsd: 3_000_000_000n,
  cachedInputNanoUsd: 300_000_000n,
  cacheWriteNanoUsd: 3_750_000_000n,
  outputNanoUsd: 15_000_000_000n,
};

const usage = (changes: Partial<TokenUsage>): TokenUsage => ({
  promptTokens: 0,
  completionTokens: 0,
  totalTokens: 0,
  cachedPromptTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  ...changes,
});

describe('computeCostNanoUsd', () => {
  it('charges each kind of token its own price, and details only once', () => {
    const cost = computeCostNanoUsd(
      usage({
        promptTokens: 1_000,
        cachedPromptTokens: 600,
        cacheWriteTokens: 100,
        completionTokens: 10,
        reasoningTokens: 5,
      }),
      price,
    );
    expect(cost).toBe(300n * 3_000n + 600n * 300n + 100n * 3_750n + 10n * 15_000n);
  });

  it('rounds a fraction of a nano-dollar up, once', () => {
    const cheap: Price = { ...price, inputNanoUsd: 1n, outputNanoUsd: 1n };
    expect(computeCostNanoUsd(usage({ promptTokens: 1, completionTokens: 1 }), cheap)).toBe(1n);
  });

  it('stays exact where floating point would not', () => {
    expect(computeCostNanoUsd(usage({ completionTokens: 9_007_199_254_740_991 }), price)).toBe(
      135_107_988_821_114_865_000n,
    );
  });

  it('never charges less than nothing where a provider counts more cached than prompt tokens', () => {
    expect(computeCostNanoUsd(usage({ promptTokens: 1, cachedPromptTokens: 5 }), price)).toBe(1_500n);
  });
});
