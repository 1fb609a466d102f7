import type { ChatChunk, ChatCompletion, ChatDelta } from '../../src/domain/chat.js';
import type { AnswerContext } from '../../src/domain/provider-adapter.js';
import { AnthropicAdapter } from '../../src/router/adapters/anthropic.adapter.js';
import { CONTEXT, joinChunks, type TranslatedStream, translateStream } from './streamed-answers.js';

const adapter = new AnthropicAdapter();

export interface AnthropicEvent {
  readonly type: string;
  readonly [key: string]: unknown;
}

export type AnthropicFields = Readonly<Record<string, unknown>>;

/** Everything a client can tell of an answer, whether it came whole or as a stream. */
export interface ToldMessage {
  readonly content: string;
  readonly refusal: string;
  readonly reasoning: string;
  readonly tools: readonly { readonly id: string | undefined; readonly name: string; readonly arguments: string }[];
  readonly annotations: ChatDelta['annotations'];
  readonly thinkingBlocks: ChatDelta['thinking_blocks'];
  readonly finish: string | null;
  readonly usage: ChatCompletion['usage'] | null;
}

export const messageStart = (usage: object = { input_tokens: 10, output_tokens: 1 }): AnthropicEvent => ({
  type: 'message_start',
  message: { id: 'msg_1', usage },
});
export const block = (index: number, fields: object): AnthropicEvent => ({
  type: 'content_block_start',
  index,
  content_block: fields,
});
export const delta = (index: number, fields: object): AnthropicEvent => ({
  type: 'content_block_delta',
  index,
  delta: fields,
});
export const stop = (index: number): AnthropicEvent => ({ type: 'content_block_stop', index });
export const ending = (
  stopReason: string | null = 'end_turn',
  usage: object = { output_tokens: 5 },
): AnthropicEvent[] => [{ type: 'message_delta', delta: { stop_reason: stopReason }, usage }, { type: 'message_stop' }];

/** The bytes of a stream of these events. */
export function eventBytes(events: readonly AnthropicEvent[]): Buffer {
  return Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));
}

/** What becomes of these events, after a `message_start`. */
export function streamOf(events: readonly AnthropicEvent[], context: AnswerContext = CONTEXT): TranslatedStream {
  return translateStream(adapter, [eventBytes([messageStart(), ...events])], context);
}

/** What becomes of a whole message with these fields. */
export function answerOf(fields: AnthropicFields): ReturnType<AnthropicAdapter['parseCompletion']> {
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    content: [],
    stop_reason: 'end_turn',
    usage: { input_tokens: 1, output_tokens: 1 },
    ...fields,
  };
  return adapter.parseCompletion(Buffer.from(JSON.stringify(message)), CONTEXT);
}

export function toldByAnswer({ completion }: ReturnType<typeof answerOf>): ToldMessage {
  const choice = completion.choices[0];
  return {
    content: choice?.message.content ?? '',
    refusal: choice?.message.refusal ?? '',
    reasoning: choice?.message.reasoning_content ?? '',
    tools: (choice?.message.tool_calls ?? []).map(({ id, function: called }) => ({ id, ...called })),
    annotations: choice?.message.annotations,
    thinkingBlocks: choice?.message.thinking_blocks,
    finish: choice?.finish_reason ?? null,
    usage: completion.usage ?? null,
  };
}

/** Of fields that are lists the last one holds, as for the official client. */
export function toldByStream(texts: readonly string[]): ToldMessage {
  const deltas = texts.flatMap((text) => (JSON.parse(text) as ChatChunk).choices.map((choice) => choice.delta));
  const { choices, usage } = joinChunks(texts);
  const choice = choices[0];
  return {
    content: choice?.content ?? '',
    refusal: choice?.refusal ?? '',
    reasoning: choice?.reasoning ?? '',
    tools: choice?.tools ?? [],
    annotations: deltas.findLast((said) => said.annotations)?.annotations,
    thinkingBlocks: deltas.findLast((said) => said.thinking_blocks)?.thinking_blocks,
    finish: choice?.finishReasons[0] ?? null,
    usage: usage[0] ?? null,
  };
}
