import type { ChatThinkingBlock, ChatUsage, FinishReason } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { TokenUsage } from '../../domain/usage.js';
import { stringifyExactly } from './exact-numbers.js';
import { findText, readCount } from './json-answer.js';

/** What a whole answer and a stream of Anthropic's share. Source: https://docs.anthropic.com/en/api/messages */

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  compaction: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

/** The tools an answer used. */
export interface ToolsUsed {
  /** Calls of the client's tools. */
  readonly calls: number;
  /** Whether the answer was given as the input of `JSON_ANSWER_TOOL`, of which the client knows nothing. */
  readonly answeredInJson: boolean;
}

/** OpenAI's word for a stop reason; one that is new to AEGIS is a `stop`. */
export function finishReasonOf(stopReason: unknown, { calls, answeredInJson }: ToolsUsed): FinishReason {
  if (stopReason === null || stopReason === undefined) return calls > 0 ? 'tool_calls' : 'stop';
  if (stopReason === 'tool_use' && answeredInJson && calls === 0) return 'stop';
  const known = typeof stopReason === 'string' && Object.hasOwn(FINISH_REASONS, stopReason);
  return known ? (FINISH_REASONS[stopReason] ?? 'stop') : 'stop';
}

/** Why the model refused, where it says so. */
export function refusalOf(stopDetails: unknown): string | null {
  if (!isObject(stopDetails) || stopDetails.type !== 'refusal') return null;
  return findText(stopDetails.explanation) ?? null;
}

/** The thinking of a block that can be sent back: without a signature Anthropic takes none. */
export function findSignedThinking(block: Readonly<Record<string, unknown>>): ChatThinkingBlock | null {
  if (block.type === 'redacted_thinking') {
    const data = findText(block.data);
    return data === undefined ? null : { type: 'redacted_thinking', data };
  }
  const signature = block.type === 'thinking' ? findText(block.signature) : undefined;
  return signature === undefined ? null : { type: 'thinking', thinking: findText(block.thinking) ?? '', signature };
}

/**
 * Anthropic counts cached and cache-write tokens beside the input; OpenAI and AEGIS count them within the prompt. The
 * counts of single iterations are parts of these, or are no part of this answer (a compaction's).
 */
export function readAnthropicUsage(usage: Readonly<Record<string, unknown>>): TokenUsage {
  const cachedPromptTokens = readCount(usage.cache_read_input_tokens);
  const cacheWriteTokens = readCacheWriteTokens(usage);
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

/** The total; where it is missing, what was written for each lifetime. */
function readCacheWriteTokens(usage: Readonly<Record<string, unknown>>): number {
  if (typeof usage.cache_creation_input_tokens === 'number') return readCount(usage.cache_creation_input_tokens);
  const written = isObject(usage.cache_creation) ? usage.cache_creation : {};
  return readCount(written.ephemeral_5m_input_tokens) + readCount(written.ephemeral_1h_input_tokens);
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

/** A tool without arguments is called with `{}`, never with an empty text. `input` is as `parseExactly` gave it. */
export function toolArguments(input: unknown): string {
  if (typeof input === 'string') return input || '{}';
  return stringifyExactly(input ?? {});
}
