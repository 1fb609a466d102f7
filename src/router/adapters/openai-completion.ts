import type { ChatChoice, ChatCompletion } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { AnswerContext, ParsedCompletion } from '../../domain/provider-adapter.js';
import { findText, invalidAnswer, parseAnswerObject } from './json-answer.js';
import { isFailedChoice, isInBandError, readInBandError } from './openai-error.js';
import {
  argumentsText,
  readChoiceIndex,
  readFinishReason,
  repairEnvelope,
  repairLogprobs,
  repairTexts,
} from './openai-repair.js';
import { findUsage, toTokenUsage } from './usage-reading.js';

/** A whole OpenAI-format answer, brought to OpenAI's published schema. Unknown fields are kept. */
export function parseOpenAiCompletion(body: Buffer, context: AnswerContext): ParsedCompletion {
  const answer = parseAnswerObject(body.toString('utf8'));
  if (isInBandError(answer)) throw readInBandError(answer);
  if (!Array.isArray(answer.choices) || answer.choices.length === 0) throw invalidAnswer('an answer without choices');

  repairEnvelope(answer);
  const origin = { id: findText(answer.id) ?? null, model: findText(answer.model) ?? null };
  const usage = findUsage(answer.usage);
  if (usage === undefined) delete answer.usage;
  const completion: ChatCompletion = Object.assign(answer, {
    id: findText(answer.id) ?? `chatcmpl-${context.requestId}`,
    object: 'chat.completion' as const,
    created: Number.isInteger(answer.created) && answer.created !== 0 ? Number(answer.created) : context.createdSeconds,
    model: context.requestedModel,
    choices: answer.choices.map((choice: unknown, position) => repairChoice(choice, position, context)),
  });
  return { completion, usage: usage ? toTokenUsage(usage, answer.service_tier) : null, origin };
}

function repairChoice(choice: unknown, position: number, context: AnswerContext): ChatChoice {
  if (!isObject(choice)) throw invalidAnswer('a choice that is no object');
  if (isFailedChoice(choice)) throw readInBandError(choice);
  repairLogprobs(choice);
  const message = repairMessage(findMessage(choice), `call_${context.requestId}_${position}`);
  const finishReason = readFinishReason(choice.finish_reason);
  return Object.assign(choice, {
    index: readChoiceIndex(choice.index, position),
    message,
    finish_reason: finishReason ?? (message.tool_calls ? ('tool_calls' as const) : ('stop' as const)),
    logprobs: choice.logprobs ?? null,
  });
}

/** Azure leaves the message out where its filter has taken all of it. */
function findMessage({ message }: Record<string, unknown>): Record<string, unknown> {
  if (message === undefined || message === null) return {};
  if (!isObject(message)) throw invalidAnswer('a message that is no object');
  return message;
}

function repairMessage(message: Record<string, unknown>, spareId: string): ChatChoice['message'] {
  repairTexts(message);
  if (message.reasoning_content === null) delete message.reasoning_content;
  repairAnnotations(message);
  if (Array.isArray(message.tool_calls)) {
    const ids = new Set<unknown>();
    message.tool_calls.forEach((call: unknown, position) => {
      if (!isObject(call)) throw invalidAnswer('a tool call that is no object');
      repairToolCall(call, ids, `${spareId}_${position}`);
      ids.add(call.id);
    });
  }
  return Object.assign(message, {
    role: 'assistant' as const,
    content: typeof message.content === 'string' ? message.content : null,
    refusal: findText(message.refusal) ?? null,
  });
}

/** OpenAI knows one kind of annotation; OpenRouter's files and their like have no place in its schema. */
function repairAnnotations(message: Record<string, unknown>): void {
  if (message.annotations === undefined) return;
  const all: unknown[] = Array.isArray(message.annotations) ? message.annotations : [];
  const citations = all.filter((annotation) => isObject(annotation) && annotation.type === 'url_citation');
  if (citations.length < all.length || !Array.isArray(message.annotations)) message.annotations = citations;
}

/** @param taken the ids of the calls before it: a result must tell which call it answers */
function repairToolCall(call: Record<string, unknown>, taken: ReadonlySet<unknown>, spareId: string): void {
  const id = findText(call.id);
  call.id = id === undefined || taken.has(id) ? spareId : id;
  if (call.type === 'custom') return;
  call.type = 'function';
  const called = isObject(call.function) ? call.function : {};
  call.function = {
    ...called,
    name: findText(called.name) ?? '',
    arguments: argumentsText(called.arguments) || '{}',
  };
}
