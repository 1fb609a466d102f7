import type { ChatUsage } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { TokenUsage } from '../../domain/usage.js';
import { invalidAnswer, isBeyondCount, readCount } from './json-answer.js';

const PROMPT_DETAILS = ['audio_tokens', 'cached_tokens', 'text_tokens', 'image_tokens', 'cache_write_tokens'];
const COMPLETION_DETAILS = [
  'accepted_prediction_tokens',
  'audio_tokens',
  'reasoning_tokens',
  'text_tokens',
  'rejected_prediction_tokens',
];

const TOTALS = ['prompt_tokens', 'completion_tokens', 'total_tokens'];

/** The usage an answer carries, repaired; undefined where it carries none, or one without any count that can be. */
export function findUsage(usage: unknown): ChatUsage | undefined {
  if (usage === undefined || usage === null) return undefined;
  if (!isObject(usage)) throw invalidAnswer('a usage that is no object');
  const hasCount = TOTALS.some((key) => typeof usage[key] === 'number');
  const isBeyond = TOTALS.some((key) => isBeyondCount(usage[key]));
  return hasCount && !isBeyond ? repairUsage(usage) : undefined;
}

/** Brings an OpenAI-format `usage` to OpenAI's published shape, in place. */
function repairUsage(usage: Record<string, unknown>): ChatUsage {
  const promptTokens = readCount(usage.prompt_tokens);
  const completionTokens = readCount(usage.completion_tokens);
  const repaired = Object.assign(usage, {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: readCount(usage.total_tokens) || promptTokens + completionTokens,
  });
  repairDetails(usage, 'prompt_tokens_details', PROMPT_DETAILS);
  repairDetails(usage, 'completion_tokens_details', COMPLETION_DETAILS);
  return repaired;
}

function repairDetails(usage: Record<string, unknown>, key: string, counts: readonly string[]): void {
  const details = usage[key];
  if (details === undefined) return;
  if (!isObject(details)) {
    delete usage[key];
    return;
  }
  for (const count of counts) {
    if (details[count] !== undefined && !Number.isInteger(details[count])) delete details[count];
  }
}

/** Tiers that OpenAI has prices of their own for. What it says in the answer counts, not what was asked for. */
const PRICED_TIERS: ReadonlySet<unknown> = new Set(['flex', 'scale', 'priority', 'fast']);

/**
 * What an OpenAI-format `usage` means for the ledger: details never exceed the totals they are part of. `serviceTier`
 * is the answer's own.
 */
export function toTokenUsage(usage: ChatUsage, serviceTier?: unknown): TokenUsage {
  const promptTokens = usage.prompt_tokens;
  const reasoningTokens = readCount(usage.completion_tokens_details?.reasoning_tokens ?? usage.reasoning_tokens);
  // xAI counts reasoning beside the completion, not within it; its total tells.
  const isBeside =
    reasoningTokens > 0 && usage.total_tokens === promptTokens + usage.completion_tokens + reasoningTokens;
  const completionTokens = usage.completion_tokens + (isBeside ? reasoningTokens : 0);
  const cachedPromptTokens = Math.min(
    promptTokens,
    readCount(usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens),
  );
  return {
    promptTokens,
    completionTokens,
    totalTokens: promptTokens + completionTokens,
    cachedPromptTokens,
    cacheWriteTokens: Math.min(
      promptTokens - cachedPromptTokens,
      readCount(usage.prompt_tokens_details?.cache_write_tokens),
    ),
    reasoningTokens: Math.min(completionTokens, reasoningTokens),
    ...(PRICED_TIERS.has(serviceTier) && { serviceTier: String(serviceTier) }),
  };
}
