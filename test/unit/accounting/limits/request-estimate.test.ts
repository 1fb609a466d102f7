import fc from 'fast-check';
import { periodOf } from '../../../../src/accounting/limits/budget-period.js';
import { estimateRequest, tokensWithin } from '../../../../src/accounting/limits/request-estimate.js';
import type { ConfigSnapshot } from '../../../../src/config/snapshot.js';
import { computeCostNanoUsd, type Price } from '../../../../src/domain/money.js';
import { makeProvider, makeRoute, makeSnapshot, makeTarget } from '../../../support/routing-fixtures.js';

function priceOf(input: bigint, output: bigint, changes: Partial<Price> = {}): Price {
  return {
    inputNanoUsd: input,
    cachedInputNanoUsd: input,
    cacheWriteNanoUsd: input,
    cacheWrite1hNanoUsd: input,
    outputNanoUsd: output,
    reasoningNanoUsd: output,
    longContext: [],
    serviceTiers: new Map(),
    asOfMs: null,
    ...changes,
  };
}

const [cheap, dear] = ['cheap', 'dear'].map((name) => makeTarget(makeProvider({ name }))) as [
  ReturnType<typeof makeTarget>,
  ReturnType<typeof makeTarget>,
];
const route = makeRoute([cheap], [dear]);

function snapshotWith(prices: readonly (readonly [string, Price])[]): ConfigSnapshot {
  const snapshot = makeSnapshot([route]);
  return { ...snapshot, pricing: { ...snapshot.pricing, prices: new Map(prices) } };
}

const USD = 1_000_000_000n;
const snapshot = snapshotWith([
  [`cheap/${cheap.model}`, priceOf(USD, 2n * USD)],
  [`dear/${dear.model}`, priceOf(3n * USD, 10n * USD, { cacheWrite1hNanoUsd: 6n * USD })],
]);
const chatOf = (content: unknown, rest: object = {}) => ({
  model: route.alias,
  messages: [{ role: 'user', content }],
  ...rest,
});

describe('the estimate of a request', () => {
  it('takes a token for four bytes of all its texts, and the answer as long as the request lets it be', () => {
    const text = 'x'.repeat(4_000);
    const estimate = estimateRequest(chatOf(text, { max_completion_tokens: 500 }), snapshot);
    expect(estimate.tokens).toBeGreaterThanOrEqual(1_500);
    expect(estimate.tokens).toBeLessThan(1_530);
    const twice = estimateRequest(chatOf(text, { max_tokens: 500, n: 2 }), snapshot);
    expect(twice.tokens - estimate.tokens).toBe(500);
    const tools = [{ type: 'function', function: { name: 'f', description: text } }];
    const longer = estimateRequest(chatOf(text, { max_tokens: 500, tools }), snapshot);
    expect(longer.tokens - estimate.tokens).toBeGreaterThanOrEqual(1_000);
  });

  it('does not take an image for text', () => {
    const url = `data:image/png;base64,${'A'.repeat(1_000_000)}`;
    const estimate = estimateRequest(chatOf([{ type: 'image_url', image_url: { url } }], { max_tokens: 1 }), snapshot);
    expect(estimate.tokens).toBeGreaterThan(1_000);
    expect(estimate.tokens).toBeLessThan(1_100);
  });

  it('costs at least what any target of the model may charge for the prompt and the longest answer', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(10_000), fc.nat(100), (text, maxTokens, share) => {
        const { costNanoUsd } = estimateRequest(chatOf(text, { max_tokens: maxTokens }), snapshot);
        // The worst a tokenizer does: a token for each byte.
        const promptTokens = Buffer.byteLength(text);
        const written = Math.floor((promptTokens * share) / 100);
        for (const price of snapshot.pricing.prices.values()) {
          const cost = computeCostNanoUsd(
            {
              promptTokens,
              completionTokens: maxTokens,
              totalTokens: promptTokens + maxTokens,
              cachedPromptTokens: 0,
              cacheWriteTokens: written,
              cacheWrite1hTokens: written,
              reasoningTokens: 0,
            },
            price,
          );
          expect(costNanoUsd).toBeGreaterThanOrEqual(cost);
        }
      }),
    );
  });

  it('counts the prices of service tiers and long prompts, where they are higher', () => {
    const tiered = snapshotWith([
      [
        `cheap/${cheap.model}`,
        priceOf(USD, USD, {
          serviceTiers: new Map([['priority', { ...priceOf(USD, 50n * USD), longContext: [] }]]),
          longContext: [{ ...priceOf(20n * USD, USD), aboveTokens: 1_000 }],
        }),
      ],
    ]);
    const short = estimateRequest(chatOf('', { max_tokens: 1_000_000 }), tiered).costNanoUsd;
    expect(short).toBeGreaterThan(50n * USD);
    const long = estimateRequest(chatOf('x'.repeat(1_000_000), { max_tokens: 0 }), tiered).costNanoUsd;
    expect(long).toBeGreaterThan(20n * USD);
  });

  it('is free for a model that has no price or is none, and never fails, whatever the body is', () => {
    expect(estimateRequest({ model: 'nobody', messages: [] }, snapshot).costNanoUsd).toBe(0n);
    fc.assert(
      fc.property(fc.object(), fc.anything(), (chat, model) => {
        const estimate = estimateRequest({ ...chat, model }, snapshot);
        expect(Number.isSafeInteger(estimate.tokens)).toBe(true);
      }),
    );
  });

  it('fits into a limit of tokens where only the answer of unknown length is too long for it', () => {
    const open = estimateRequest(chatOf('hi'), snapshot);
    expect(tokensWithin(100, open)).toBe(100);
    expect(tokensWithin(1_000_000, open)).toBe(open.tokens);
    const bounded = estimateRequest(chatOf('hi', { max_tokens: 500 }), snapshot);
    expect(tokensWithin(100, bounded)).toBe(bounded.tokens);
    const long = estimateRequest(chatOf('x'.repeat(4_000)), snapshot);
    expect(tokensWithin(100, long)).toBe(long.promptTokens);
  });
});

describe('the window of a budget', () => {
  it('is the day or month in UTC', () => {
    const newYearsEve = Date.UTC(2027, 11, 31, 23, 59, 59, 999);
    expect(periodOf('day', newYearsEve)).toEqual({ startMs: Date.UTC(2027, 11, 31), endMs: Date.UTC(2028, 0, 1) });
    expect(periodOf('month', newYearsEve)).toEqual({ startMs: Date.UTC(2027, 11, 1), endMs: Date.UTC(2028, 0, 1) });
    expect(periodOf('month', newYearsEve + 1)).toEqual({ startMs: Date.UTC(2028, 0, 1), endMs: Date.UTC(2028, 1, 1) });
  });
});
