import type { ChatChunk } from '../../src/domain/chat.js';
import type { AnswerContext, ProviderAdapter } from '../../src/domain/provider-adapter.js';
import { UpstreamError } from '../../src/domain/upstream-error.js';
import type { TokenUsage } from '../../src/domain/usage.js';
import { SseParser } from '../../src/router/sse.parser.js';

export const MAX_EVENT_BYTES = 8 * 1024 * 1024;

export const CONTEXT: AnswerContext = {
  requestedModel: 'aegis-test',
  includeUsage: true,
  requestId: 'req-1',
  createdSeconds: 1_700_000_000,
};

/** What a client got of a stream: the chunks, and how it ended. */
export interface TranslatedStream {
  readonly texts: readonly string[];
  readonly usage: TokenUsage | null;
  /** Null where the answer is whole. */
  readonly error: UpstreamError | null;
}

/** Feeds an upstream's bytes through an adapter the way an attempt does. */
export function translateStream(
  adapter: ProviderAdapter,
  pieces: Iterable<Buffer>,
  context: AnswerContext = CONTEXT,
): TranslatedStream {
  const parser = new SseParser(MAX_EVENT_BYTES);
  const translator = adapter.openStream(context);
  const texts: string[] = [];
  const run = (): void => {
    for (const piece of pieces) {
      for (const event of parser.push(piece)) {
        texts.push(...translator.push(event));
        if (translator.finished) break;
      }
      if (translator.finished) break;
    }
    if (!translator.finished) for (const event of parser.end()) texts.push(...translator.push(event));
    texts.push(...translator.end());
  };
  try {
    run();
    return { texts, usage: translator.usage, error: null };
  } catch (thrown) {
    if (!(thrown instanceof UpstreamError)) throw thrown;
    return { texts, usage: translator.usage, error: thrown };
  }
}

/** The bytes in pieces of one size. */
export function* slices(bytes: Buffer, size: number): Generator<Buffer> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

/** One choice as a client that joins deltas comes to see it. */
export interface JoinedChoice {
  index: number;
  content: string;
  refusal: string;
  reasoning: string;
  finishReasons: string[];
  tools: { id: string | undefined; name: string; arguments: string }[];
}

/** Joins deltas as OpenAI's clients do, and finds what a client could trip over. */
export function joinChunks(texts: readonly string[]): {
  choices: JoinedChoice[];
  usage: ChatChunk['usage'][];
  faults: string[];
} {
  const choices = new Map<number, JoinedChoice>();
  const usage: ChatChunk['usage'][] = [];
  const faults: string[] = [];
  for (const text of texts) {
    const chunk = JSON.parse(text) as ChatChunk;
    if (chunk.object !== 'chat.completion.chunk') faults.push(`object is ${chunk.object}`);
    if (!chunk.id) faults.push('no id');
    if (chunk.usage) {
      usage.push(chunk.usage);
      if (chunk.choices.length > 0) faults.push('usage beside a choice');
    } else if (usage.length > 0) {
      faults.push('a chunk after the usage');
    }
    for (const { index, delta, finish_reason: finishReason } of chunk.choices) {
      let choice = choices.get(index);
      if (!choice) {
        choice = { index, content: '', refusal: '', reasoning: '', finishReasons: [], tools: [] };
        choices.set(index, choice);
        if (delta.role !== 'assistant') faults.push(`choice ${index} begins without a role`);
      } else if (delta.role !== undefined) {
        faults.push(`choice ${index} has a second role`);
      }
      if (choice.finishReasons.length > 0) faults.push(`choice ${index} goes on after its finish`);
      choice.content += delta.content ?? '';
      choice.refusal += delta.refusal ?? '';
      choice.reasoning += delta.reasoning_content ?? '';
      for (const call of delta.tool_calls ?? []) {
        const known = choice.tools[call.index];
        if (!known) {
          if (call.index !== choice.tools.length) faults.push(`tool call ${call.index} leaves a gap`);
          choice.tools[call.index] = {
            id: call.id,
            name: call.function?.name ?? '',
            arguments: call.function?.arguments ?? '',
          };
        } else {
          if (call.id !== undefined) faults.push(`tool call ${call.index} says its id again`);
          known.arguments += call.function?.arguments ?? '';
        }
      }
      if (finishReason) choice.finishReasons.push(finishReason);
    }
  }
  for (const { index, finishReasons } of choices.values()) {
    if (finishReasons.length !== 1) faults.push(`choice ${index} has ${finishReasons.length} finishes`);
  }
  return { choices: [...choices.values()].sort((a, b) => a.index - b.index), usage, faults };
}
