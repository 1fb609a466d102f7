import type { ChatDelta, ChatUsage, FinishReason } from '../../domain/chat.js';
import type { AnswerContext } from '../../domain/provider-adapter.js';
import { invalidAnswer } from './json-answer.js';

/** What follows the delta in every chunk but the last. */
const NO_FINISH = ',"logprobs":null,"finish_reason":null}]}';

/**
 * Writes the chunks of an answer that has one choice. What they all begin with is written once: a stream has thousands
 * of them, and most hold one word.
 */
export class ChunkWriter {
  private envelope = '';
  private opening: string | null = null;

  constructor(private readonly context: AnswerContext) {}

  get hasBegun(): boolean {
    return this.opening !== null;
  }

  /** The first chunk, which says the role. `id` is the answer's own, where it has one. */
  begin(id: string | undefined): string {
    const envelope = JSON.stringify({
      id: `chatcmpl-${id ?? this.context.requestId}`,
      object: 'chat.completion.chunk',
      created: this.context.createdSeconds,
      model: this.context.requestedModel,
    });
    this.envelope = `${envelope.slice(0, -1)},`;
    this.opening = `${this.envelope}"choices":[{"index":0,"delta":`;
    return this.write({ role: 'assistant', content: '' });
  }

  write(delta: ChatDelta): string {
    return this.start() + JSON.stringify(delta) + NO_FINISH;
  }

  writeText(field: 'content' | 'reasoning_content' | 'refusal', text: string): string {
    return `${this.start()}{"${field}":${JSON.stringify(text)}}${NO_FINISH}`;
  }

  writeArguments(callIndex: number, text: string): string {
    const call = `{"index":${callIndex},"function":{"arguments":${JSON.stringify(text)}}}`;
    return `${this.start()}{"tool_calls":[${call}]}${NO_FINISH}`;
  }

  writeFinish(reason: FinishReason): string {
    return `${this.start()}{},"logprobs":null,"finish_reason":"${reason}"}]}`;
  }

  writeUsage(usage: ChatUsage): string {
    return `${this.envelope}"choices":[],"usage":${JSON.stringify(usage)}}`;
  }

  private start(): string {
    if (this.opening === null) throw invalidAnswer('an event before the answer began');
    return this.opening;
  }
}
