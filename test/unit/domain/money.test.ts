import fc from 'fast-check';
import { computeCostNanoUsd, type Price, type TokenPrices } from '../../../src/domain/money.js';
import type { TokenUsage } from '../../../src/domain/usage.js';

/** USD 3 in, 0.30 cached, 3.75 written, 6 for an hour, 15 out and 20 for reasoning, each per million tokens. */
const price: Price = {
  inputNanoUsd: 3_000_000_000n,
  cachedInputNanoUsd: 300_000_000n,
  cacheWriteNanoUsd: 3_750_000_000n,
  cacheWrite1hNanoUsd: 6_000_000_000n,
  outputNanoUsd: 15_000_000_000n,
  reasoningNanoUsd: 20_000_000_000n,
  longContext: [],
  serviceTiers: new Map(),
  asOfMs: null,
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
        cacheWrite1hTokens: 40,
        completionTokens: 10,
        reasoningTokens: 4,
      }),
      price,
    );
    expect(cost).toBe(300n * 3_000n + 600n * 300n + 60n * 3_750n + 40n * 6_000n + 6n * 15_000n + 4n * 20_000n);
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

  it('leaves out what a provider counts beyond a total, cached tokens going before written ones', () => {
    expect(computeCostNanoUsd(usage({ promptTokens: 1, cachedPromptTokens: 5, cacheWriteTokens: 5 }), price)).toBe(
      300n,
    );
    expect(computeCostNanoUsd(usage({ promptTokens: 1, cacheWriteTokens: 1, cacheWrite1hTokens: 2 }), price)).toBe(
      6_000n,
    );
    expect(computeCostNanoUsd(usage({ completionTokens: 1, reasoningTokens: 2 }), price)).toBe(20_000n);
    expect(computeCostNanoUsd(usage({ promptTokens: -1, completionTokens: -1 }), price)).toBe(0n);
  });

  const dear = (factor: bigint): TokenPrices => ({
    inputNanoUsd: price.inputNanoUsd * factor,
    cachedInputNanoUsd: price.cachedInputNanoUsd * factor,
    cacheWriteNanoUsd: price.cacheWriteNanoUsd * factor,
    cacheWrite1hNanoUsd: price.cacheWrite1hNanoUsd * factor,
    outputNanoUsd: price.outputNanoUsd * factor,
    reasoningNanoUsd: price.reasoningNanoUsd * factor,
  });
  const stepped: Price = {
    ...price,
    longContext: [
      { ...dear(2n), aboveTokens: 200 },
      { ...dear(3n), aboveTokens: 500 },
    ],
    serviceTiers: new Map([
      ['flex', { ...dear(10n), longContext: [] }],
      ['batch', { ...dear(1n), longContext: [{ ...dear(7n), aboveTokens: 300 }] }],
    ]),
  };

  it.each([
    [200, 1n],
    [201, 2n],
    [500, 2n],
    [501, 3n],
  ])(
    'goes by the prompt of %i tokens, cached ones included, for every token of the request',
    (promptTokens, factor) => {
      const counts = usage({ promptTokens, cachedPromptTokens: 100, cacheWriteTokens: 50, completionTokens: 1_000 });
      expect(computeCostNanoUsd(counts, stepped)).toBe(computeCostNanoUsd(counts, price) * factor);
    },
  );

  it('goes by the tier the provider says it used, where that has a price, and by its long prompts', () => {
    const cost = (serviceTier: string, promptTokens: number) =>
      computeCostNanoUsd(usage({ promptTokens, serviceTier }), stepped) / (BigInt(promptTokens) * 3_000n);
    expect(cost('flex', 100)).toBe(10n);
    expect(cost('flex', 400)).toBe(10n);
    expect(cost('batch', 300)).toBe(1n);
    expect(cost('batch', 400)).toBe(7n);
    expect(cost('priority', 400)).toBe(2n);
  });
});

const amount = fc.bigInt({ min: 0n, max: 100_000_000_000n });
const anyTokenPrices = fc.record({
  inputNanoUsd: amount,
  cachedInputNanoUsd: amount,
  cacheWriteNanoUsd: amount,
  cacheWrite1hNanoUsd: amount,
  outputNanoUsd: amount,
  reasoningNanoUsd: amount,
});
const anyFlatPrice = anyTokenPrices.map(
  (prices): Price => ({ ...prices, longContext: [], serviceTiers: new Map(), asOfMs: null }),
);
const count = fc.nat({ max: 40 });
const anyUsage = fc
  .record({
    promptTokens: count,
    completionTokens: count,
    cachedPromptTokens: count,
    cacheWriteTokens: count,
    cacheWrite1hTokens: count,
    reasoningTokens: count,
  })
  .map((counts): TokenUsage => ({ ...counts, totalTokens: counts.promptTokens + counts.completionTokens }));

/** Each token by itself: the kinds are handed out one after the other until the total is reached. */
function listTokenPrices(counts: TokenUsage, prices: TokenPrices): bigint[] {
  const writtenFor1h = Math.min(counts.cacheWrite1hTokens ?? 0, counts.cacheWriteTokens);
  const kinds: [number, bigint][] = [
    [counts.cachedPromptTokens, prices.cachedInputNanoUsd],
    [writtenFor1h, prices.cacheWrite1hNanoUsd],
    [counts.cacheWriteTokens - writtenFor1h, prices.cacheWriteNanoUsd],
    [counts.promptTokens, prices.inputNanoUsd],
  ];
  const each = (tokens: number, nanoUsd: bigint): bigint[] => Array.from({ length: tokens }, () => nanoUsd);
  return [
    ...kinds.flatMap(([tokens, nanoUsd]) => each(tokens, nanoUsd)).slice(0, counts.promptTokens),
    ...[
      ...each(counts.reasoningTokens, prices.reasoningNanoUsd),
      ...each(counts.completionTokens, prices.outputNanoUsd),
    ].slice(0, counts.completionTokens),
  ];
}

describe('a cost, whatever is counted and whatever it is priced at', () => {
  it('is the exact sum of its tokens, rounded up to a whole nano-dollar', () => {
    fc.assert(
      fc.property(anyUsage, anyFlatPrice, (counts, prices) => {
        const exact = listTokenPrices(counts, prices).reduce((sum, each) => sum + each, 0n);
        const cost = computeCostNanoUsd(counts, prices);
        expect(cost * 1_000_000n - exact).toBeGreaterThanOrEqual(0n);
        expect(cost * 1_000_000n - exact).toBeLessThan(1_000_000n);
      }),
    );
  });

  it('is never less where more was asked or answered', () => {
    // A longer prompt is never cheaper a token, as every provider has it.
    const anyRisingPrice = fc.tuple(anyFlatPrice, anyTokenPrices, fc.integer({ min: 1, max: 40 })).map(
      ([base, extra, aboveTokens]): Price => ({
        ...base,
        longContext: [
          {
            inputNanoUsd: base.inputNanoUsd + extra.inputNanoUsd,
            cachedInputNanoUsd: base.cachedInputNanoUsd + extra.cachedInputNanoUsd,
            cacheWriteNanoUsd: base.cacheWriteNanoUsd + extra.cacheWriteNanoUsd,
            cacheWrite1hNanoUsd: base.cacheWrite1hNanoUsd + extra.cacheWrite1hNanoUsd,
            outputNanoUsd: base.outputNanoUsd + extra.outputNanoUsd,
            reasoningNanoUsd: base.reasoningNanoUsd + extra.reasoningNanoUsd,
            aboveTokens,
          },
        ],
      }),
    );
    fc.assert(
      fc.property(anyUsage, anyRisingPrice, count, count, (counts, prices, moreAsked, moreAnswered) => {
        const more = {
          ...counts,
          promptTokens: counts.promptTokens + moreAsked,
          completionTokens: counts.completionTokens + moreAnswered,
        };
        expect(computeCostNanoUsd(more, prices)).toBeGreaterThanOrEqual(computeCostNanoUsd(counts, prices));
        expect(computeCostNanoUsd(counts, prices)).toBeGreaterThanOrEqual(0n);
      }),
    );
  });

  it('is what prompt and answer cost apart, within what is rounded', () => {
    fc.assert(
      fc.property(anyUsage, anyFlatPrice, (counts, prices) => {
        const parts =
          computeCostNanoUsd({ ...counts, completionTokens: 0 }, prices) +
          computeCostNanoUsd({ ...counts, promptTokens: 0 }, prices);
        const rounded = parts - computeCostNanoUsd(counts, prices);
        expect(rounded === 0n || rounded === 1n).toBe(true);
      }),
    );
  });
});
