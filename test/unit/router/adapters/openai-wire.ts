import type { ChatCompletion } from '../../../../src/domain/chat.js';
import type { ProviderAdapter } from '../../../../src/domain/provider-adapter.js';
import { OpenAiAdapter } from '../../../../src/router/adapters/openai.adapter.js';
import { loadOpenAiSchema } from '../../../support/openai-schema.js';
import {
  CONTEXT,
  type JoinedChoice,
  joinChunks,
  type TranslatedStream,
  translateStream,
} from '../../../support/streamed-answers.js';

export const adapter = new OpenAiAdapter();
const schema = loadOpenAiSchema();

export const HEAD = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 7, model: 'upstream-model' };
export const DONE = '[DONE]';

/** Events as a server sends them; a text is an event's data as it stands. */
export function events(...data: readonly (object | string)[]): Buffer {
  return Buffer.from(
    data.map((item) => `data: ${typeof item === 'string' ? item : JSON.stringify(item)}\n\n`).join(''),
  );
}

export function stream(...data: readonly (object | string)[]): TranslatedStream {
  return translateStream(adapter, [events(...data)]);
}

export function chunk(delta: object, finishReason: string | null = null, index = 0): object {
  return { ...HEAD, choices: [{ index, delta, finish_reason: finishReason }] };
}

export const ROLE = chunk({ role: 'assistant', content: '' });

/** The choices of a stream that must be whole, in order, and valid against OpenAI's schema. */
export function choicesOf({ texts, error }: TranslatedStream): JoinedChoice[] {
  expect(error).toBeNull();
  for (const text of texts) expect(schema?.checkChunk(JSON.parse(text)) ?? []).toEqual([]);
  const { choices, faults } = joinChunks(texts);
  expect(faults).toEqual([]);
  return choices;
}

/** A whole answer, read; it must be valid against OpenAI's schema. */
export function parse(answer: object, by: ProviderAdapter = adapter): ChatCompletion {
  const { completion } = by.parseCompletion(Buffer.from(JSON.stringify(answer)), CONTEXT);
  expect(schema?.checkCompletion(completion) ?? []).toEqual([]);
  return completion;
}
