import type { TokenUsage } from './usage.js';

/** What a million tokens of each kind cost, in nano-USD (10^-9 USD), so that every published price is an integer. */
export interface TokenPrices {
  readonly inputNanoUsd: bigint;
  readonly cachedInputNanoUsd: bigint;
  /** Written to the provider's prompt cache for its shortest time: five minutes at Anthropic. */
  readonly cacheWriteNanoUsd: bigint;
  readonly cacheWrite1hNanoUsd: bigint;
  readonly outputNanoUsd: bigint;
  readonly reasoningNanoUsd: bigint;
}

/** What every token of a request costs, the answer's too, where its prompt is longer than `aboveTokens`. */
export interface LongContextPrices extends TokenPrices {
  readonly aboveTokens: number;
}

export interface TieredPrices extends TokenPrices {
  /** From the lowest bound to the highest. */
  readonly longContext: readonly LongContextPrices[];
}

/** Prices of one model at one provider. */
export interface Price extends TieredPrices {
  /** By the service tier the provider says it used; a tier that is missing costs what the model itself does. */
  readonly serviceTiers: ReadonlyMap<string, TieredPrices>;
  /** The day the price was looked up, in milliseconds since 1970 (its first moment in UTC); null where nobody said. */
  readonly asOfMs: number | null;
}

const TOKENS_PER_PRICE = 1_000_000n;

/**
 * Cost in nano-USD, rounded up once at the end; never negative. Details are parts of their totals: what a provider
 * counts beyond a total is left out, cached tokens going before written ones.
 */
export function computeCostNanoUsd(usage: TokenUsage, price: Price): bigint {
  const prices = pricesOf(usage, price);
  const prompt = wholeOf(usage.promptTokens);
  const cached = smaller(wholeOf(usage.cachedPromptTokens), prompt);
  const written = smaller(wholeOf(usage.cacheWriteTokens), prompt - cached);
  const writtenFor1h = smaller(wholeOf(usage.cacheWrite1hTokens ?? 0), written);
  const completion = wholeOf(usage.completionTokens);
  const reasoning = smaller(wholeOf(usage.reasoningTokens), completion);
  const total =
    (prompt - cached - written) * prices.inputNanoUsd +
    cached * prices.cachedInputNanoUsd +
    (written - writtenFor1h) * prices.cacheWriteNanoUsd +
    writtenFor1h * prices.cacheWrite1hNanoUsd +
    (completion - reasoning) * prices.outputNanoUsd +
    reasoning * prices.reasoningNanoUsd;
  return (total + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE;
}

/** The prompt's own length decides, cached tokens included, and it decides for the whole request. */
function pricesOf({ promptTokens, serviceTier }: TokenUsage, price: Price): TokenPrices {
  const tier = (serviceTier === undefined ? undefined : price.serviceTiers.get(serviceTier)) ?? price;
  return tier.longContext.findLast(({ aboveTokens }) => promptTokens > aboveTokens) ?? tier;
}

function wholeOf(tokens: number): bigint {
  return tokens > 0 ? BigInt(tokens) : 0n;
}

function smaller(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}
