import type { ChatCompletionRequest } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { ScreenedRequest } from '../../domain/screened-request.js';
import type { Target } from '../../domain/target.js';
import { checkMarks, readCacheControl } from './anthropic-cache.js';
import { type AnthropicTurn, isBlank } from './anthropic-content.js';
import { GrammarRoom } from './anthropic-grammar.js';
import { toJsonAnswer } from './anthropic-json-answer.js';
import { toConversation, withoutThinking } from './anthropic-messages.js';
import { factsOf } from './anthropic-models.js';
import { toSampling } from './anthropic-sampling.js';
import { isThinking } from './anthropic-signed-thinking.js';
import { type Thinking, toThinking } from './anthropic-thinking.js';
import { planTools } from './anthropic-tool-choice.js';
import { toTools } from './anthropic-tools.js';
import { mayHoldExactNumbers, parseExactly } from './exact-numbers.js';
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
  'safety_identifier',
  'cache_control',
]);

/** Hints that change no meaning: left out. `docs/translation.md` lists them. */
const HINTS: ReadonlySet<string> = new Set([
  'metadata',
  'store',
  'service_tier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
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
  verbosity: (value) => value === 'medium',
};

/**
 * A chat completion request → a body of Anthropic's Messages API, to be written with `stringifyExactly`. Throws
 * `AegisError` `unsupported_parameter` or `invalid_request` naming every field that cannot be expressed.
 */
export function buildAnthropicBody(request: ScreenedRequest, target: Target): Record<string, unknown> {
  const { chat } = request;
  const problems = new RequestProblems();
  refuseUnknown(chat, problems);
  const facts = factsOf(target.model);
  const room = new GrammarRoom(facts);

  const conversation = toConversation(chat.messages, problems);
  const limit = leastOf(chat.max_completion_tokens ?? chat.max_tokens ?? null, target.maxOutputTokens);
  const asked = toThinking(chat.reasoning_effort, facts, limit, problems);
  const thinking = canThinkOn(asked, conversation.turns) ? asked : { thinks: false, spareTokens: 0 };
  const isAskedToThink = thinking.effort !== undefined || thinking.thinking?.type === 'enabled';
  const turns = thinking.thinks ? conversation.turns : withoutThinking(conversation.turns);

  const json = toJsonAnswer(exactly(request, 'response_format'), room, problems);
  const wishes = {
    choice: chat.tool_choice,
    parallel: chat.parallel_tool_calls,
    tools: toTools(exactly(request, 'tools') ?? [], room, problems),
    jsonTool: json.tool,
    turns,
  };
  const plan = planTools(wishes, facts, thinking.thinking, problems);
  const sampling = toSampling(chat, facts, isAskedToThink, problems);
  if (turns.at(-1)?.role === 'assistant' && (!facts.prefill || isAskedToThink || json.format || json.tool)) {
    problems.reject(
      'messages',
      "must not end with a message of the assistant: this model's provider does not continue it.",
    );
  }
  const stopSequences = toStopSequences(chat.stop, problems);
  const mark = readCacheControl(chat, '', problems);
  const system = plan.instruction
    ? [...conversation.system, { type: 'text', text: plan.instruction }]
    : conversation.system;
  checkMarks([...system, ...plan.tools], turns, mark !== null, problems);
  problems.throwIfAny();

  const outputConfig = {
    ...(json.format && { format: json.format }),
    ...(thinking.effort && { effort: thinking.effort }),
  };
  const userId = [chat.user, chat.safety_identifier].find(isUserId);
  return {
    model: target.model,
    max_tokens: limit ?? DEFAULT_MAX_TOKENS + thinking.spareTokens,
    ...(system.length > 0 && { system }),
    messages: turns,
    ...(plan.tools.length > 0 && { tools: plan.tools }),
    ...(plan.choice && { tool_choice: plan.choice }),
    ...(thinking.thinking && { thinking: thinking.thinking }),
    ...(Object.keys(outputConfig).length > 0 && { output_config: outputConfig }),
    ...sampling,
    ...(stopSequences.length > 0 && { stop_sequences: stopSequences }),
    ...(userId !== undefined && { metadata: { user_id: userId } }),
    ...(mark && { cache_control: mark }),
    ...(chat.stream === true && { stream: true }),
  };
}

function refuseUnknown(chat: ChatCompletionRequest, problems: RequestProblems): void {
  for (const [field, value] of Object.entries(chat)) {
    if (value === null || value === undefined || TRANSLATED.has(field) || HINTS.has(field)) continue;
    const isHarmless = Object.hasOwn(HARMLESS, field) && HARMLESS[field]?.(value);
    if (!isHarmless) problems.refuse(field);
  }
  for (const option of Object.keys(chat.stream_options ?? {})) {
    if (option !== 'include_usage' && option !== 'include_obfuscation') problems.refuse(`stream_options.${option}`);
  }
}

/** A member with every digit of its numbers, where parsing has lost some. */
function exactly<K extends 'tools' | 'response_format'>(request: ScreenedRequest, field: K): ChatCompletionRequest[K] {
  const value = request.chat[field];
  if (value === null || value === undefined) return value;
  const text = request.body.find(field);
  if (text === null || !mayHoldExactNumbers(text)) return value;
  return parseExactly(text) as ChatCompletionRequest[K];
}

/**
 * With a budget, a turn in which a tool was called must have begun with thinking, and only what Anthropic has signed
 * counts as such. Where the client does not send it, thinking waits until the tool's result has been answered.
 */
function canThinkOn(asked: Thinking, turns: readonly AnthropicTurn[]): boolean {
  if (asked.thinking?.type !== 'enabled') return true;
  if (!turns.at(-1)?.content.some(({ type }) => type === 'tool_result')) return true;
  const beginning = turns.at(-2)?.content[0];
  return beginning !== undefined && isThinking(beginning);
}

function toStopSequences(stop: ChatCompletionRequest['stop'], problems: RequestProblems): string[] {
  if (stop === null || stop === undefined) return [];
  const sequences = typeof stop === 'string' ? [stop] : [...stop];
  if (sequences.some(isBlank)) problems.reject('stop', "must hold more than blanks with this model's provider.");
  return sequences;
}

function isUserId(user: unknown): user is string {
  return typeof user === 'string' && user !== '' && user.length <= MAX_USER_ID_LENGTH;
}

function leastOf(first: number | null, second: number | null): number | null {
  if (first === null || second === null) return first ?? second;
  return Math.min(first, second);
}
