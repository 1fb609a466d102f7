import type { FinishReason } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import { findText, invalidAnswer } from './json-answer.js';
import { type StatedFault, toUpstreamError } from './upstream-faults.js';

/**
 * Repairs that a whole answer and a streamed one share: what servers that speak "OpenAI's format" leave out, send as
 * null or name otherwise. Each works in place on a freshly parsed object; those that answer a boolean say whether they
 * changed anything, so that a clean chunk need not be rebuilt.
 */

const SERVICE_TIERS: ReadonlySet<unknown> = new Set(['auto', 'default', 'flex', 'scale', 'priority', 'fast', null]);

/** Finish reasons of servers with words of their own. Anything unknown is a `stop`. */
const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
  function_call: 'function_call',
  max_tokens: 'length',
  model_length: 'length',
  tool_use: 'tool_calls',
  tool_call: 'tool_calls',
  max_length: 'length',
  max_new_tokens: 'length',
  max_output_tokens: 'length',
  token_limit: 'length',
  function_calls: 'tool_calls',
  safety: 'content_filter',
  content_filtered: 'content_filter',
  sensitive: 'content_filter',
  recitation: 'content_filter',
  blocklist: 'content_filter',
  prohibited_content: 'content_filter',
  spii: 'content_filter',
  refusal: 'content_filter',
};

/** Choices of one answer: OpenAI makes no more. */
const MAX_CHOICES = 128;

/** Finish reasons that say that the provider gave up: an error, whatever else the answer holds. */
const FAILURES: ReadonlySet<string> = new Set(['error', 'abort', 'insufficient_system_resource', 'network_error']);

/** OpenAI's name for a finish reason; null where there is none. Throws `UpstreamError` where it tells of a failure. */
export function readFinishReason(value: unknown): FinishReason | null {
  // Gemini says more after a colon: `content_filter: RECITATION`.
  const reason = findText(value)?.toLowerCase().split(':', 1)[0]?.trim();
  if (!reason) return null;
  if (FAILURES.has(reason)) {
    const fault: StatedFault = { message: `finish_reason ${reason}`, type: null, code: null, param: null };
    throw toUpstreamError(500, fault, { fromStatus: false });
  }
  return Object.hasOwn(FINISH_REASONS, reason) ? (FINISH_REASONS[reason] ?? 'stop') : 'stop';
}

/** A choice's index, or its position where the server leaves it out. */
export function readChoiceIndex(value: unknown, position: number): number {
  if (value === undefined || value === null) return position;
  const index = typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : value;
  if (Number.isInteger(index) && Number(index) >= 0 && Number(index) < MAX_CHOICES) return Number(index);
  throw invalidAnswer('a choice whose index is none');
}

/** `service_tier` and `system_fingerprint`: an own tier (`on_demand`) or an empty one is not OpenAI's, and is left out. */
export function repairEnvelope(answer: Record<string, unknown>): boolean {
  let changed = false;
  if ('service_tier' in answer && !SERVICE_TIERS.has(answer.service_tier)) {
    delete answer.service_tier;
    changed = true;
  }
  const fingerprint = answer.system_fingerprint;
  if (fingerprint !== undefined && fingerprint !== null && typeof fingerprint !== 'string') {
    delete answer.system_fingerprint;
    changed = true;
  }
  return changed;
}

/**
 * What a message and a delta have in common: text given in parts becomes text, `reasoning` (vLLM, OpenRouter, Groq)
 * becomes `reasoning_content`, and null where only an absent field or an object is allowed is left out. Throws where
 * the text or the tool calls are nothing that could be repaired: an answer must not be taken for an empty one.
 */
export function repairTexts(message: Record<string, unknown>): boolean {
  let changed = false;
  const { content } = message;
  if (typeof content === 'object' && content !== null) {
    const { text, reasoning } = joinParts(Array.isArray(content) ? content : [content]);
    message.content = text;
    if (reasoning !== '' && message.reasoning_content === undefined) message.reasoning_content = reasoning;
    changed = true;
  } else if (content !== undefined && content !== null && typeof content !== 'string') {
    throw invalidAnswer('content that is no text');
  }
  if ('reasoning' in message && (typeof message.reasoning === 'string' || message.reasoning === null)) {
    if (message.reasoning && !message.reasoning_content) message.reasoning_content = message.reasoning;
    delete message.reasoning;
    changed = true;
  }
  if (message.reasoning_details !== undefined && message.reasoning_content === undefined) {
    const reasoning = textOf(message.reasoning_details);
    if (reasoning !== '') {
      message.reasoning_content = reasoning;
      changed = true;
    }
  }
  const { tool_calls: toolCalls, function_call: functionCall } = message;
  if (toolCalls !== undefined && toolCalls !== null && !Array.isArray(toolCalls)) {
    throw invalidAnswer('tool calls that are no list');
  }
  for (const key of ['function_call', 'annotations', 'tool_calls']) {
    const value = message[key];
    if (value === null || (key === 'tool_calls' && Array.isArray(value) && value.length === 0)) {
      delete message[key];
      changed = true;
    }
  }
  if (isObject(functionCall) && functionCall.arguments !== undefined && typeof functionCall.arguments !== 'string') {
    functionCall.arguments = argumentsText(functionCall.arguments);
    changed = true;
  }
  if (message.refusal !== undefined && message.refusal !== null && typeof message.refusal !== 'string') {
    delete message.refusal;
    changed = true;
  }
  return changed;
}

/** Content in parts: `text`; Mistral's `thinking`; `reasoning` with its text or, at Databricks, a list of summaries. */
function joinParts(parts: readonly unknown[]): { text: string; reasoning: string } {
  let text = '';
  let reasoning = '';
  for (const part of parts) {
    if (typeof part === 'string') text += part;
    if (!isObject(part)) continue;
    if (part.type === 'reasoning' || part.type === 'thinking') reasoning += textOf(part);
    else if (typeof part.text === 'string') text += part.text;
  }
  return { text, reasoning };
}

/** The words of a part of reasoning, wherever it has them: OpenRouter's `reasoning_details` are such parts too. */
function textOf(part: unknown): string {
  if (typeof part === 'string') return part;
  if (Array.isArray(part)) return part.map(textOf).join('');
  return isObject(part) ? textOf(part.text ?? part.thinking ?? part.summary ?? part.reasoning) : '';
}

/** Token probabilities with the fields OpenAI's schema asks for; null where they are none. */
export function repairLogprobs(choice: Record<string, unknown>): boolean {
  const { logprobs } = choice;
  if (logprobs === null || logprobs === undefined) return false;
  if (!isObject(logprobs)) {
    choice.logprobs = null;
    return true;
  }
  let changed = false;
  for (const key of ['content', 'refusal']) {
    const tokens = logprobs[key];
    if (tokens === null) continue;
    if (Array.isArray(tokens)) {
      for (const token of tokens) changed = repairToken(token) || changed;
      continue;
    }
    logprobs[key] = null;
    changed = true;
  }
  return changed;
}

function repairToken(token: unknown): boolean {
  if (!isObject(token)) return false;
  let changed = false;
  if (token.bytes === undefined) {
    token.bytes = null;
    changed = true;
  }
  if (!Array.isArray(token.top_logprobs)) {
    token.top_logprobs = [];
    return true;
  }
  for (const alternative of token.top_logprobs) {
    if (isObject(alternative) && alternative.bytes === undefined) {
      alternative.bytes = null;
      changed = true;
    }
  }
  return changed;
}

/** A tool call's arguments are a JSON text; some servers send the object itself, or nothing. */
export function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === null || value === undefined ? '' : JSON.stringify(value);
}
