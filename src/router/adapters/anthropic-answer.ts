import type { ChatUsage, FinishReason } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { TokenUsage } from '../../domain/usage.js';
import { readCount } from './json-answer.js';

/** What a whole answer and a stream of Anthropic's share. Source: https://docs.anthropic.com/en/api/messages */

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

/** OpenAI's word for a stop reason; one that is new to AEGIS is a `stop`. */
export function finishReasonOf(stopReason: unknown): FinishReason {
  const known = typeof stopReason === 'string' && Object.hasOwn(FINISH_REASONS, stopReason);
  return known ? (FINISH_REASONS[stopReason] ?? 'stop') : 'stop';
}

/** Why the model refused, where it says so. */
export function refusalOf(stopDetails: unknown): string | null {
  if (!isObject(stopDetails) || stopDetails.type !== 'refusal') return null;
  return typeof stopDetails.explanation === 'string' && stopDetails.explanation !== '' ? stopDetails.explanation : null;
}

/** Anthropic counts cached and cache-write tokens beside the input; OpenAI and AEGIS count them within the prompt. */
export function readAnthropicUsage(usage: Readonly<Record<string, unknown>>): TokenUsage {
  const cachedPromptTokens = readCount(usage.cache_read_input_tokens);
  const cacheWriteTokens = readCount(usage.cache_creation_input_tokens);
  const promptTokens = readCount(usage.input_tokens) + cachedPromptTokens + cacheWriteTokens;
  const completionTokens = readCount(usage.output_tokens);
  const details = isObject(usage.output_tokens_details) ? usage.output_tokens_details : {};
  return {
    promptTokens,
    completionTokens,
    totalTokens: promptTokens + completionTokens,
    cachedPromptTokens,
    cacheWriteTokens,
    reasoningTokens: Math.min(completionTokens, readCount(details.thinking_tokens)),
  };
}

export function toChatUsage(usage: TokenUsage): ChatUsage {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.totalTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedPromptTokens, cache_write_tokens: usage.cacheWriteTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}

/** A tool without arguments is called with `{}`, never with an empty text. */
export function toolArguments(input: unknown): string {
  return JSON.stringify(input ?? {});
}
