import type { ChatDelta } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { AnswerContext, ServerSentEvent, StreamTranslator } from '../../domain/provider-adapter.js';
import type { TokenUsage } from '../../domain/usage.js';
import { finishReasonOf, readAnthropicUsage, refusalOf, toChatUsage, toolArguments } from './anthropic-answer.js';
import { isAnthropicError, readAnthropicError } from './anthropic-error.js';
import { findText, invalidAnswer, parseAnswerObject, truncatedAnswer } from './json-answer.js';

/** A tool call whose block is open. */
interface OpenTool {
  /** Its place among the answer's tool calls. */
  readonly index: number;
  /** Arguments given at once with the block's start. */
  readonly input: unknown;
  hasArguments: boolean;
}

/**
 * Anthropic's events → chat completion chunks. Blocks of the provider's own tools are left out, text is kept.
 * Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export class AnthropicStream implements StreamTranslator {
  hasContent = false;
  finished = false;
  private readonly openTools = new Map<unknown, OpenTool>();
  private toolCount = 0;
  private counts: Record<string, unknown> | null = null;
  private stopReason: unknown = null;
  private envelope: string | null = null;

  constructor(private readonly context: AnswerContext) {}

  get usage(): TokenUsage | null {
    return this.counts && readAnthropicUsage(this.counts);
  }

  push(event: ServerSentEvent): readonly string[] {
    if (this.finished) return [];
    if (event.data.trim() === '') return [];
    const body = parseAnswerObject(event.data);
    if (isAnthropicError(body) || event.type === 'error') throw readAnthropicError(body);
    switch (body.type ?? event.type) {
      case 'message_start':
        return this.startMessage(isObject(body.message) ? body.message : {});
      case 'content_block_start':
        return this.startBlock(body.index, isObject(body.content_block) ? body.content_block : {});
      case 'content_block_delta':
        return this.continueBlock(body.index, isObject(body.delta) ? body.delta : {});
      case 'content_block_stop':
        return this.stopBlock(body.index);
      case 'message_delta':
        return this.changeMessage(isObject(body.delta) ? body.delta : {}, body.usage);
      case 'message_stop':
        return this.stopMessage();
      default:
        // `ping`, and events that are new to AEGIS: Anthropic adds some within a version.
        return [];
    }
  }

  end(): readonly string[] {
    if (!this.finished) throw truncatedAnswer('no message_stop');
    return [];
  }

  private startMessage(message: Record<string, unknown>): string[] {
    this.count(message.usage);
    if (this.envelope !== null) return [];
    this.envelope = this.buildEnvelope(findText(message.id));
    return [this.chunk({ role: 'assistant', content: '' })];
  }

  private startBlock(index: unknown, block: Record<string, unknown>): string[] {
    if (block.type === 'text') return this.say('content', block.text);
    if (block.type === 'thinking') return this.say('reasoning_content', block.thinking);
    if (block.type !== 'tool_use') return [];
    const tool = { index: this.toolCount++, input: block.input, hasArguments: false };
    this.openTools.set(index, tool);
    this.hasContent = true;
    const call = {
      index: tool.index,
      id: findText(block.id) ?? `call_${this.context.requestId}_${tool.index}`,
      type: 'function' as const,
      function: { name: findText(block.name) ?? '', arguments: '' },
    };
    return [this.chunk({ tool_calls: [call] })];
  }

  private continueBlock(index: unknown, delta: Record<string, unknown>): string[] {
    if (delta.type === 'text_delta') return this.say('content', delta.text);
    if (delta.type === 'thinking_delta') return this.say('reasoning_content', delta.thinking);
    if (delta.type !== 'input_json_delta') return [];
    const tool = this.openTools.get(index);
    const text = findText(delta.partial_json);
    if (!tool || text === undefined) return [];
    tool.hasArguments = true;
    return [this.argumentsChunk(tool.index, text)];
  }

  private stopBlock(index: unknown): string[] {
    const tool = this.openTools.get(index);
    if (!tool) return [];
    this.openTools.delete(index);
    return tool.hasArguments ? [] : [this.argumentsChunk(tool.index, toolArguments(tool.input))];
  }

  private changeMessage(delta: Record<string, unknown>, usage: unknown): string[] {
    this.count(usage);
    if (delta.stop_reason) this.stopReason = delta.stop_reason;
    return this.say('refusal', refusalOf(delta.stop_details));
  }

  private stopMessage(): string[] {
    const texts = [...this.openTools.keys()].flatMap((index) => this.stopBlock(index));
    this.finished = true;
    this.hasContent = true;
    texts.push(this.chunk({}, finishReasonOf(this.stopReason)));
    const { usage } = this;
    if (this.context.includeUsage && usage) {
      texts.push(`${this.prefix()}"choices":[],"usage":${JSON.stringify(toChatUsage(usage))}}`);
    }
    return texts;
  }

  /** Every count is the total so far: a later one replaces an earlier one, none is added to another. */
  private count(usage: unknown): void {
    if (!isObject(usage)) return;
    const given = Object.entries(usage).filter(([, value]) => value !== null);
    this.counts = { ...this.counts, ...Object.fromEntries(given) };
  }

  private say(field: 'content' | 'reasoning_content' | 'refusal', value: unknown): string[] {
    const text = findText(value);
    if (text === undefined) return [];
    this.hasContent = true;
    return [this.chunk({ [field]: text })];
  }

  private argumentsChunk(index: number, text: string): string {
    return this.chunk({ tool_calls: [{ index, function: { arguments: text } }] });
  }

  private chunk(delta: ChatDelta, finishReason: string | null = null): string {
    const finish = JSON.stringify(finishReason);
    return `${this.prefix()}"choices":[{"index":0,"delta":${JSON.stringify(delta)},"logprobs":null,"finish_reason":${finish}}]}`;
  }

  /** What every chunk of this answer begins with: built once. */
  private prefix(): string {
    if (this.envelope === null) throw invalidAnswer('an event before message_start');
    return this.envelope;
  }

  private buildEnvelope(id: string | undefined): string {
    const envelope = JSON.stringify({
      id: `chatcmpl-${id ?? this.context.requestId}`,
      object: 'chat.completion.chunk',
      created: this.context.createdSeconds,
      model: this.context.requestedModel,
    });
    return `${envelope.slice(0, -1)},`;
  }
}
