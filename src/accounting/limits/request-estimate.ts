import type { ConfigSnapshot } from '../../config/snapshot.js';
import type { Price, TokenPrices } from '../../domain/money.js';
import type { Target } from '../../domain/target.js';
import { estimatePromptTokens, measurePrompt, TOKENS_PER_MEDIUM } from '../../domain/token-estimate.js';

/** What a request will probably use, and what it may cost at most as far as anybody can tell before it is sent. */
export interface RequestEstimate {
  /** For the limit of tokens a minute. */
  readonly tokens: number;
  /** Whether the request itself says how long its answer may be. */
  readonly isAnswerBounded: boolean;
  readonly promptTokens: number;
  /** At the dearest target of the model; 0 where none has a price. */
  readonly costNanoUsd: bigint;
}

/** Role, separators and names around each message, at most, whichever provider. */
const MOST_TOKENS_PER_MESSAGE = 8;
/** The answer of a request that does not say how long it may be: what it probably is, and what is set aside. */
const PROBABLE_ANSWER_TOKENS = 1_024;
const RESERVED_ANSWER_TOKENS = 4_096;
const MAX_COUNTED_TOKENS = 100_000_000;
const TOKENS_PER_PRICE = 1_000_000n;

/**
 * `chat` is a request as it came, of any shape. A prompt's tokens are taken to be a quarter of its bytes; its cost is
 * reserved for as many tokens as bytes, because no tokenizer makes more.
 */
export function estimateRequest(chat: Readonly<Record<string, unknown>>, snapshot: ConfigSnapshot): RequestEstimate {
  const size = measurePrompt(chat);
  const promptTokens = estimatePromptTokens(size);
  const mostPromptTokens = size.bytes + size.messages * MOST_TOKENS_PER_MESSAGE + size.media * TOKENS_PER_MEDIUM;
  const stated = countOf(chat.max_completion_tokens) ?? countOf(chat.max_tokens);
  const answers = Math.max(1, countOf(chat.n) ?? 1);
  return {
    tokens: Math.min(promptTokens + (stated ?? PROBABLE_ANSWER_TOKENS) * answers, MAX_COUNTED_TOKENS),
    isAnswerBounded: stated !== null,
    promptTokens,
    costNanoUsd: dearestCost(chat.model, snapshot, mostPromptTokens, stated, answers),
  };
}

/** What counts against a limit of tokens: an answer of unknown length is no reason to refuse what would fit. */
export function tokensWithin(limit: number | null, estimate: RequestEstimate): number {
  const { tokens, promptTokens, isAnswerBounded } = estimate;
  return limit === null || isAnswerBounded ? tokens : Math.max(promptTokens, Math.min(tokens, limit));
}

function dearestCost(
  model: unknown,
  { models, pricing }: ConfigSnapshot,
  promptTokens: number,
  stated: number | null,
  answers: number,
): bigint {
  const route = typeof model === 'string' ? models.get(model) : undefined;
  let dearest = 0n;
  for (const target of route ? [...route.primaries, ...route.fallbacks] : []) {
    const price = pricing.prices.get(`${target.provider.name}/${target.model}`);
    if (price === undefined) continue;
    const cost = costAtMost(price, promptTokens, answerTokens(target, stated) * answers);
    if (cost > dearest) dearest = cost;
  }
  return dearest;
}

function answerTokens({ maxOutputTokens }: Target, stated: number | null): number {
  return stated ?? Math.min(maxOutputTokens ?? RESERVED_ANSWER_TOKENS, MAX_COUNTED_TOKENS);
}

/** Every token at the dearest price that it may turn out to have. */
function costAtMost(price: Price, promptTokens: number, completionTokens: number): bigint {
  let [input, output] = [0n, 0n];
  const consider = (prices: TokenPrices): void => {
    input = largest(
      input,
      prices.inputNanoUsd,
      prices.cachedInputNanoUsd,
      prices.cacheWriteNanoUsd,
      prices.cacheWrite1hNanoUsd,
    );
    output = largest(output, prices.outputNanoUsd, prices.reasoningNanoUsd);
  };
  for (const tier of [price, ...price.serviceTiers.values()]) {
    consider(tier);
    for (const prices of tier.longContext) if (promptTokens > prices.aboveTokens) consider(prices);
  }
  const total = BigInt(promptTokens) * input + BigInt(completionTokens) * output;
  return (total + TOKENS_PER_PRICE - 1n) / TOKENS_PER_PRICE;
}

function largest(...amounts: readonly bigint[]): bigint {
  let most = 0n;
  for (const amount of amounts) if (amount > most) most = amount;
  return most;
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
    ? Math.min(value, MAX_COUNTED_TOKENS)
    : null;
}
