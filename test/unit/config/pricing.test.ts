import { findOldestPriceMs, findUnpricedTargets, priceRequest } from '../../../src/config/pricing.js';
import { formatProblem } from '../../../src/config/problem.js';
import type { Price } from '../../../src/domain/money.js';
import { type LoadOptions, loaded, problemsOf, VALID } from './support.js';

const NOW_MS = Date.parse('2026-11-23T12:00:00Z');

const entry = (fields: string): string => `version: v1\nprices:\n  - {provider: house, model: llama, ${fields}}\n`;

const priceOf = (fields: string): Price | undefined =>
  loaded({ 'pricing.yaml': entry(fields) }).snapshot.pricing.prices.get('house/llama');

const warningsOf = (pricing: string, cost = '{}', options: LoadOptions = {}): string[] =>
  loaded(
    { 'pricing.yaml': pricing, 'gateway.yaml': `server: {port: 8080}\ncost: ${cost}` },
    { nowMs: NOW_MS, ...options },
  ).warnings.map(formatProblem);

describe('a price', () => {
  it('takes what is left out from the nearest price that is there', () => {
    expect(priceOf('input: 1, cache_write: 2, output: 3')).toMatchObject({
      cachedInputNanoUsd: 1_000_000_000n,
      cacheWrite1hNanoUsd: 2_000_000_000n,
      reasoningNanoUsd: 3_000_000_000n,
    });
  });

  it('holds the prices of long prompts from the lowest bound to the highest, whatever order they are written in', () => {
    const steps = '[{above_tokens: 500000, input: 4, output: 8}, {above_tokens: 200000, input: 2, output: 6}]';
    const price = priceOf(`input: 1, output: 3, long_context: ${steps}`);
    expect(price?.longContext.map(({ aboveTokens, inputNanoUsd }) => [aboveTokens, inputNanoUsd])).toEqual([
      [200_000, 2_000_000_000n],
      [500_000, 4_000_000_000n],
    ]);
  });

  it('holds the prices of service tiers, which may have some for long prompts in turn', () => {
    const flex = '{input: 0.5, output: 1.5, long_context: [{above_tokens: 9, input: 1, output: 2}]}';
    const tier = priceOf(`input: 1, output: 3, service_tiers: {flex: ${flex}}`)?.serviceTiers.get('flex');
    expect(tier).toMatchObject({ inputNanoUsd: 500_000_000n, longContext: [{ aboveTokens: 9 }] });
  });

  it('knows the day it was looked up', () => {
    expect(priceOf('input: 1, output: 1, as_of: 2026-02-28')?.asOfMs).toBe(Date.UTC(2026, 1, 28));
  });

  it.each([
    ['as_of: 2026-02-30', 'pricing.yaml:3:65 prices[0].as_of: 2026-02-30 is no day of the calendar'],
    ['as_of: 2026-13-01', 'pricing.yaml:3:65 prices[0].as_of: 2026-13-01 is no day of the calendar'],
    ['as_of: yesterday', 'pricing.yaml:3:65 prices[0].as_of: must be a day such as 2026-01-31, not "yesterday"'],
    [
      'service_tiers: {turbo: {input: 1, output: 1}}',
      'pricing.yaml:3:74 prices[0].service_tiers.turbo: the name must match ^(flex|priority|fast|scale|batch)$',
    ],
    [
      'service_tiers: {flex: {input: 1}}',
      'pricing.yaml:3:74 prices[0].service_tiers.flex: "output" is missing: US dollars per million completion tokens.',
    ],
    [
      'long_context: [{above_tokens: 0, input: 1, output: 1}]',
      'pricing.yaml:3:88 prices[0].long_context[0].above_tokens: must be a whole number from 1 to 1000000000, not "0"',
    ],
    ['long_context: [{input: 1, output: 1}]', '"above_tokens" is missing'],
    [
      'long_context: [{above_tokens: 9, input: 1, output: 1}, {above_tokens: 9, input: 2, output: 2}]',
      'prices[0].long_context[1].above_tokens: prompts above 9 tokens have prices already, on line 3',
    ],
    ['reasoning: -1', 'prices[0].reasoning: must be an amount of US dollars'],
    ['cache_write_2h: 1', 'prices[0].cache_write_2h: unknown key (did you mean "cache_write_1h"?)'],
  ])('with %s is refused', (fields, problem) => {
    const problems = problemsOf({ 'pricing.yaml': entry(`input: 1, output: 1, ${fields}`) });
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });
});

describe('the coverage of prices', () => {
  const none = 'version: v1\nprices: []';

  it.each([
    ['deny', 'this target is never used'],
    ['flag', 'its calls are marked as unpriced, and count towards no budget'],
    ['allow', 'its calls are let through, and count towards no budget'],
  ])('is lacking where a target has no price, which under %s means that %s', (policy, effect) => {
    expect(warningsOf(none, `{on_missing_pricing: ${policy}}`)).toEqual([
      `models.yaml:3:39 models.fast.primary.model: pricing.yaml has no price for house/llama: ${effect} (cost.on_missing_pricing)`,
    ]);
  });

  it('names prices that no target has a use for, all in one line', () => {
    const spare = Array.from(
      { length: 7 },
      (_, index) => `  - {provider: house, model: m${index}, input: 1, output: 1}\n`,
    );
    expect(warningsOf(`${VALID['pricing.yaml']}${spare.join('')}`)).toEqual([
      'pricing.yaml:4:5 prices[1]: no target of models.yaml has a use for these prices: ' +
        'house/m0, house/m1, house/m2, house/m3, house/m4 and 2 more',
    ]);
  });

  it('counts a target without a price once, however many models it serves', () => {
    const target = '{provider: house, model: llama, classification_ceiling: INTERNAL}';
    const models = `models:\n  fast: {primary: ${target}}\n  slow: {primary: ${target}}\n`;
    const { snapshot } = loaded({ 'models.yaml': models, 'pricing.yaml': none });
    expect(findUnpricedTargets(snapshot).map(({ id }) => id)).toEqual(['house/llama']);
    expect(findUnpricedTargets(loaded({ 'models.yaml': models }).snapshot)).toEqual([]);
  });
});

describe('the age of prices', () => {
  const dated = (asOf: string): string => entry(`input: 1, output: 1, as_of: ${asOf}`);

  it('is warned of beyond cost.warn_price_age, and never where that is 0s', () => {
    const old = dated('2026-05-01');
    expect(warningsOf(old)).toEqual([
      'pricing.yaml:3:5 prices[0]: these prices were looked up more than 180d ago (cost.warn_price_age): house/llama (2026-05-01)',
    ]);
    expect(warningsOf(old, '{warn_price_age: 365d}')).toEqual([]);
    expect(warningsOf(old, '{warn_price_age: 0s}')).toEqual([]);
    expect(warningsOf(dated('2026-11-22'), '{warn_price_age: 0s}')).toEqual([]);
  });

  it('of a day that is yet to come is told, since it would hide how old the price is', () => {
    expect(warningsOf(dated('2062-11-01'))).toEqual([
      expect.stringContaining('looked up on a day that is yet to come: house/llama (2062-11-01)'),
    ]);
    expect(warningsOf(dated('2026-11-24'))).toEqual([]);
  });

  it('is the age of the oldest price that a target has', () => {
    const models =
      'models:\n  fast:\n    primary: {provider: house, model: llama, classification_ceiling: INTERNAL}\n' +
      '    fallback: [{provider: house, model: opt, classification_ceiling: INTERNAL}]\n';
    const pricing = `${dated('2026-11-01')}  - {provider: house, model: opt, input: 1, output: 1, as_of: 2026-10-01}
  - {provider: house, model: unused, input: 1, output: 1, as_of: 2020-01-01}\n`;
    expect(findOldestPriceMs(loaded({ 'models.yaml': models, 'pricing.yaml': pricing }).snapshot)).toBe(
      Date.UTC(2026, 9, 1),
    );
    expect(findOldestPriceMs(loaded().snapshot)).toBeNull();
  });
});

describe('priceRequest', () => {
  const usage = {
    promptTokens: 1_000,
    completionTokens: 10,
    totalTokens: 1_010,
    cachedPromptTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
  };

  it('goes by the provider and its own name for the model, and knows a free model from one without a price', () => {
    const { snapshot } = loaded({ 'pricing.yaml': entry('input: 2, output: 8') });
    expect(priceRequest(snapshot, 'house', 'llama', usage)).toBe(2_080_000n);
    expect(priceRequest(snapshot, 'house', 'other', usage)).toBeNull();
    expect(priceRequest(loaded().snapshot, 'house', 'llama', usage)).toBe(0n);
  });
});
