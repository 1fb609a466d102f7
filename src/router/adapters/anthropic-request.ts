import type { ChatCompletionRequest } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { Target } from '../../domain/target.js';
import { toConversation } from './anthropic-messages.js';
import { toThinking } from './anthropic-thinking.js';
import { toToolChoice, toTools } from './anthropic-tools.js';
import { RequestProblems } from './request-problems.js';

const DEFAULT_MAX_TOKENS = 4096;
const MAX_USER_ID_LENGTH = 256;

/** Fields that are translated below. */
const TRANSLATED: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'reasoning_effort',
  'user',
]);

/** Hints that change no meaning: left out. `docs/translation.md` lists them. */
const HINTS: ReadonlySet<string> = new Set([
  'metadata',
  'store',
  'service_tier',
  'prompt_cache_key',
  'safety_identifier',
]);

/** Values of untranslated fields that ask for nothing beyond what Anthropic does anyway. */
const HARMLESS: Readonly<Record<string, (value: unknown) => boolean>> = {
  n: (value) => value === 1,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  frequency_penalty: (value) => value === 0,
  presence_penalty: (value) => value === 0,
  logit_bias: (value) => isObject(value) && Object.keys(value).length === 0,
  modalities: (value) => Array.isArray(value) && value.every((modality) => modality === 'text'),
};

/**
 * A chat completion request → a body of Anthropic's Messages API. Throws `AegisError` `unsupported_parameter` naming
 * every field that cannot be expressed.
 */
export function buildAnthropicBody(chat: ChatCompletionRequest, target: Target): Record<string, unknown> {
  const problems = new RequestProblems();
  for (const [field, value] of Object.entries(chat)) {
    if (value === null || value === undefined || TRANSLATED.has(field) || HINTS.has(field)) continue;
    const isHarmless = Object.hasOwn(HARMLESS, field) && HARMLESS[field]?.(value);
    if (!isHarmless) problems.refuse(field);
  }
  for (const option of Object.keys(chat.stream_options ?? {})) {
    if (option !== 'include_usage' && option !== 'include_obfuscation') problems.refuse(`stream_options.${option}`);
  }

  const { system, turns } = toConversation(chat.messages, problems);
  const wantedLimit = chat.max_completion_tokens ?? chat.max_tokens ?? null;
  const limit = leastOf(wantedLimit, target.maxOutputTokens);
  const { thinking, effort, budgetTokens } = toThinking(chat.reasoning_effort, target.model, limit, problems);
  const tools = toTools(chat.tools ?? [], problems);
  const toolChoice = toToolChoice(chat.tool_choice, chat.parallel_tool_calls, tools.length > 0, problems);
  checkSampling(chat, thinking !== undefined, problems);
  if (thinking?.type === 'enabled' && (toolChoice?.type === 'any' || toolChoice?.type === 'tool')) {
    problems.reject('tool_choice', "cannot force a tool while 'reasoning_effort' is set with this model's provider.");
  }
  const format = toOutputFormat(chat, problems);
  problems.throwIfAny();

  // Thinking cannot begin in the middle of a tool call: its earlier, signed half is not part of OpenAI's format.
  const startsFresh = !turns.at(-1)?.content.some(({ type }) => type === 'tool_result');
  const thinks = thinking !== undefined && (thinking.type === 'adaptive' || startsFresh);
  const outputConfig = { ...(format && { format }), ...(effort && { effort }) };
  return {
    model: target.model,
    max_tokens: limit ?? DEFAULT_MAX_TOKENS + (thinks ? budgetTokens : 0),
    ...(system.length > 0 && { system }),
    messages: turns,
    ...(tools.length > 0 && { tools }),
    ...(toolChoice && { tool_choice: toolChoice }),
    ...(thinks && { thinking }),
    ...(Object.keys(outputConfig).length > 0 && { output_config: outputConfig }),
    ...given('temperature', chat.temperature),
    ...given('top_p', chat.top_p),
    ...given('top_k', chat.top_k),
    ...given('stop_sequences', toStopSequences(chat.stop)),
    ...(isUserId(chat.user) && { metadata: { user_id: chat.user } }),
    ...(chat.stream === true && { stream: true }),
  };
}

function checkSampling(chat: ChatCompletionRequest, thinks: boolean, problems: RequestProblems): void {
  const { temperature, top_p: topP, top_k: topK } = chat;
  // Not a word of OpenAI's, so nobody has looked at it yet; a number as large as 1e400 could not be written out again.
  if (topK !== null && topK !== undefined && !Number.isInteger(topK)) problems.reject('top_k', 'must be an integer.');
  // OpenAI's scale ends at 2, Anthropic's at 1: a value beyond it has no counterpart.
  if (typeof temperature === 'number' && temperature > 1) problems.refuse('temperature');
  if (!thinks) return;
  if (typeof temperature === 'number' && temperature < 1) {
    problems.reject('temperature', "must be 1 or left out while 'reasoning_effort' is set with this model's provider.");
  }
  if (typeof topP === 'number' && topP < 0.95) {
    problems.reject('top_p', "must be at least 0.95 while 'reasoning_effort' is set with this model's provider.");
  }
}

function toOutputFormat(chat: ChatCompletionRequest, problems: RequestProblems): Record<string, unknown> | null {
  const format = chat.response_format;
  if (!format || format.type === 'text') return null;
  const schema = format.type === 'json_schema' ? format.json_schema?.schema : undefined;
  if (schema) return { type: 'json_schema', schema };
  // `json_object` asks for some JSON; Anthropic knows only JSON of a given shape.
  problems.refuse(format.type === 'json_schema' ? 'response_format.json_schema' : 'response_format');
  return null;
}

function toStopSequences(stop: ChatCompletionRequest['stop']): string[] | null {
  if (stop === null || stop === undefined) return null;
  const sequences = typeof stop === 'string' ? [stop] : stop;
  return sequences.length > 0 ? [...sequences] : null;
}

function isUserId(user: unknown): boolean {
  return typeof user === 'string' && user !== '' && user.length <= MAX_USER_ID_LENGTH;
}

function leastOf(first: number | null, second: number | null): number | null {
  if (first === null || second === null) return first ?? second;
  return Math.min(first, second);
}

function given(name: string, value: unknown): Record<string, unknown> {
  return value === null || value === undefined ? {} : { [name]: value };
}
