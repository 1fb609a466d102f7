import type { ChatDelta, ChatThinkingBlock } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { AnswerContext, AnswerOrigin, ServerSentEvent, StreamTranslator } from '../../domain/provider-adapter.js';
import { RepeatedJson, readWritten } from '../../domain/repeated-json.js';
import type { TokenUsage } from '../../domain/usage.js';
import {
  findSignedThinking,
  finishReasonOf,
  readAnthropicUsage,
  refusalOf,
  toChatUsage,
  toolArguments,
} from './anthropic-answer.js';
import { type CitedBlock, CitedText } from './anthropic-citations.js';
import { isAnthropicError, readAnthropicError } from './anthropic-error.js';
import { JSON_ANSWER_TOOL, THINKING_BLOCKS } from './anthropic-own-words.js';
import { ChunkWriter } from './chunk-writer.js';
import { mayHoldExactNumbers, parseExactly } from './exact-numbers.js';
import { findText, invalidAnswer, parseAnswerObject, truncatedAnswer } from './json-answer.js';

/** A block that has begun. Blocks of which the client learns nothing are not kept. */
type OpenBlock =
  | { readonly kind: 'text'; readonly cited: CitedBlock }
  | { readonly kind: 'thinking'; readonly block: Extract<ChatThinkingBlock, { type: 'thinking' }> }
  | OpenTool;

interface OpenTool {
  readonly kind: 'tool';
  /** Its place among the answer's tool calls; null for the answer in JSON, which is no call to the client. */
  readonly callIndex: number | null;
  /** Arguments given at once with the block's start, as text. */
  readonly input: string;
  hasArguments: boolean;
}

/** What is kept until the answer's end has a bound: many times the longest thinking. */
const MAX_KEPT_CHARACTERS = 8 * 1024 * 1024;
/** What a block or a citation takes beside its words. */
const KEPT_EACH = 128;

/**
 * Anthropic's events → chat completion chunks. Blocks of the provider's own tools are left out, text is kept.
 * Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
export class AnthropicStream implements StreamTranslator {
  hasContent = false;
  finished = false;
  origin: AnswerOrigin | undefined;
  private readonly openBlocks = new Map<unknown, OpenBlock>();
  private readonly cited = new CitedText();
  private readonly thinkingBlocks: ChatThinkingBlock[] = [];
  private keptCharacters = 0;
  private callCount = 0;
  private answeredInJson = false;
  /** Text of which it is not known yet whether it is the answer. */
  private heldText = '';
  private textBeginsAs: 'blank' | 'json' | 'prose' = 'blank';
  private refused = false;
  private counts: Record<string, unknown> | null = null;
  private stopReason: unknown = null;
  private readonly chunks: ChunkWriter;
  /** An event with some words of the text: most of those that follow differ in the words alone. */
  private repeated: { readonly type: string; readonly json: RepeatedJson } | null = null;

  constructor(private readonly context: AnswerContext) {
    this.chunks = new ChunkWriter(context);
  }

  get usage(): TokenUsage | null {
    return this.counts && readAnthropicUsage(this.counts);
  }

  push(event: ServerSentEvent): readonly string[] {
    if (this.finished) return [];
    const word = this.repeated?.type === event.type ? this.repeated.json.read(event.data)?.[0] : undefined;
    if (word) return this.sayText(readWritten(word));
    if (event.data.trim() === '') return [];
    const body = parseAnswerObject(event.data);
    if (isAnthropicError(body) || event.type === 'error') throw readAnthropicError(body);
    switch (body.type ?? event.type) {
      case 'content_block_delta':
        if (!isObject(body.delta)) return [];
        if (body.delta.type === 'text_delta') this.learn(event, body.delta.text);
        return this.continueBlock(body.index, body.delta);
      case 'content_block_start':
        return this.startBlock(body.index, readBlock(body.content_block, event.data));
      case 'content_block_stop':
        return this.stopBlock(body.index);
      case 'message_start':
        return this.startMessage(isObject(body.message) ? body.message : {}, event.data);
      case 'message_delta':
        return this.changeMessage(isObject(body.delta) ? body.delta : {}, body.usage);
      case 'message_stop':
        return this.stopMessage();
      default:
        // `ping`, and events that are new to AEGIS: Anthropic adds some within a version.
        return [];
    }
  }

  private learn({ type, data }: ServerSentEvent, text: unknown): void {
    const json = RepeatedJson.of(data, ['text']);
    const [written] = json?.read(data) ?? [];
    this.repeated = json && written !== undefined && readWritten(written) === text ? { type, json } : null;
  }

  end(): readonly string[] {
    if (!this.finished) throw truncatedAnswer('no message_stop');
    return [];
  }

  private startMessage(message: Record<string, unknown>, json: string): string[] {
    this.count(message.usage);
    this.origin ??= { id: findText(message.id) ?? null, model: findText(message.model) ?? null };
    const texts = this.chunks.hasBegun ? [] : [this.chunks.begin(findText(message.id))];
    // A call made by a program that runs in Anthropic's code execution is whole in the message from its start.
    readContent(message, json).forEach((block, index) => {
      texts.push(...this.startBlock(index, block), ...this.stopBlock(index));
    });
    return texts;
  }

  private startBlock(index: unknown, block: unknown): string[] {
    if (!isObject(block)) return [];
    // A block whose place is taken over has said all it will.
    const texts = this.stopBlock(index);
    this.keep(KEPT_EACH);
    switch (block.type) {
      case 'text': {
        const cited = this.cited.openBlock();
        this.openBlocks.set(index, { kind: 'text', cited });
        if (Array.isArray(block.citations)) for (const citation of block.citations) this.cite(cited, citation);
        texts.push(...this.sayText(block.text));
        break;
      }
      case 'thinking': {
        const unsigned = { type: block.type, thinking: '', signature: '' };
        this.openBlocks.set(index, { kind: 'thinking', block: unsigned });
        this.thinkingBlocks.push(unsigned);
        texts.push(...this.sayThinking(index, block.thinking));
        this.sign(index, block.signature);
        break;
      }
      case 'redacted_thinking': {
        const data = findText(block.data) ?? '';
        this.keep(data.length);
        this.thinkingBlocks.push({ type: block.type, data });
        break;
      }
      case 'tool_use':
        texts.push(...this.startTool(index, block));
        break;
      default:
    }
    return texts;
  }

  private startTool(index: unknown, block: Record<string, unknown>): string[] {
    this.hasContent = true;
    const input = toolArguments(block.input);
    this.keep(input.length);
    if (block.name === JSON_ANSWER_TOOL) {
      // Only the first answer, which text that has begun as JSON is too: two values in a row are no JSON.
      const isSecond = this.answeredInJson || this.textBeginsAs === 'json';
      this.answeredInJson = true;
      if (isSecond) return [];
      this.openBlocks.set(index, { kind: 'tool', callIndex: null, input, hasArguments: false });
      return this.releaseText('reasoning_content');
    }
    const callIndex = this.callCount++;
    this.openBlocks.set(index, { kind: 'tool', callIndex, input, hasArguments: false });
    const call = {
      index: callIndex,
      id: findText(block.id) ?? `call_${this.context.requestId}_${callIndex}`,
      type: 'function' as const,
      function: { name: findText(block.name) ?? '', arguments: '' },
    };
    return [this.chunks.write({ tool_calls: [call] })];
  }

  private continueBlock(index: unknown, delta: Record<string, unknown>): string[] {
    switch (delta.type) {
      case 'text_delta':
        return this.sayText(delta.text);
      case 'input_json_delta': {
        const tool = this.openBlocks.get(index);
        const text = findText(delta.partial_json);
        if (tool?.kind !== 'tool' || text === undefined) return [];
        tool.hasArguments = true;
        return [this.sayArguments(tool, text)];
      }
      case 'thinking_delta':
        return this.sayThinking(index, delta.thinking);
      case 'signature_delta':
        this.sign(index, delta.signature);
        return [];
      case 'citations_delta': {
        const text = this.openBlocks.get(index);
        if (text?.kind === 'text') this.cite(text.cited, delta.citation);
        return [];
      }
      default:
        return [];
    }
  }

  private stopBlock(index: unknown): string[] {
    const block = this.openBlocks.get(index);
    if (!block) return [];
    this.openBlocks.delete(index);
    switch (block.kind) {
      case 'text':
        this.cited.closeBlock(block.cited);
        return [];
      case 'tool':
        return block.hasArguments ? [] : [this.sayArguments(block, block.input)];
      case 'thinking':
        return [];
      default:
        return block satisfies never;
    }
  }

  private changeMessage(delta: Record<string, unknown>, usage: unknown): string[] {
    this.count(usage);
    if (delta.stop_reason) this.stopReason = delta.stop_reason;
    const refusal = refusalOf(delta.stop_details);
    if (refusal === null || this.refused) return [];
    this.refused = true;
    return [this.say('refusal', refusal)];
  }

  private stopMessage(): string[] {
    const texts = [...this.openBlocks.keys()].flatMap((index) => this.stopBlock(index));
    texts.push(...this.releaseText('content'));
    const said = this.toldAtTheEnd();
    if (Object.keys(said).length > 0) texts.push(this.chunks.write(said));
    this.finished = true;
    this.hasContent = true;
    const toolsUsed = { calls: this.callCount, answeredInJson: this.answeredInJson };
    texts.push(this.chunks.writeFinish(finishReasonOf(this.stopReason, toolsUsed)));
    const { usage } = this;
    if (this.context.includeUsage && usage) texts.push(this.chunks.writeUsage(toChatUsage(usage)));
    return texts;
  }

  /** Lists, which clients join each in their own way: said once and whole, they all hold the same. */
  private toldAtTheEnd(): ChatDelta {
    const annotations = this.answeredInJson ? [] : this.cited.annotations;
    const thinkingBlocks = this.thinkingBlocks.filter((block) => findSignedThinking(block) !== null);
    return {
      ...(annotations.length > 0 && { annotations }),
      ...(thinkingBlocks.length > 0 && { [THINKING_BLOCKS]: thinkingBlocks }),
    };
  }

  /** Every count is the total so far: a later one replaces an earlier one, none is added to another. */
  private count(usage: unknown): void {
    if (!isObject(usage)) return;
    const given = Object.entries(usage).filter(([, value]) => value !== null);
    this.counts = { ...this.counts, ...Object.fromEntries(given) };
  }

  /**
   * Where the client expects JSON, a model may still talk before it calls the tool that takes its answer. Text that
   * does not begin as a JSON object waits: it is thinking aloud once that call comes, and the answer if none does.
   */
  private sayText(value: unknown): string[] {
    const text = findText(value);
    if (text === undefined) return [];
    if (this.answeredInJson) return [this.say('reasoning_content', text)];
    this.cited.add(text);
    if (!this.context.expectsJson || this.textBeginsAs === 'json') return [this.say('content', text)];
    this.keep(text.length);
    this.hasContent = true;
    this.heldText += text;
    if (this.textBeginsAs === 'blank') {
      const first = text.trimStart().charAt(0);
      if (first !== '') this.textBeginsAs = first === '{' ? 'json' : 'prose';
    }
    return this.textBeginsAs === 'json' ? this.releaseText('content') : [];
  }

  private releaseText(field: 'content' | 'reasoning_content'): string[] {
    const text = this.heldText;
    this.heldText = '';
    return text === '' ? [] : [this.say(field, text)];
  }

  private sayThinking(index: unknown, value: unknown): string[] {
    const text = findText(value);
    if (text === undefined) return [];
    const open = this.openBlocks.get(index);
    if (open?.kind === 'thinking') {
      this.keep(text.length);
      open.block.thinking += text;
    }
    return [this.say('reasoning_content', text)];
  }

  private sign(index: unknown, signature: unknown): void {
    const text = findText(signature);
    const open = this.openBlocks.get(index);
    if (open?.kind !== 'thinking' || text === undefined) return;
    this.keep(text.length);
    open.block.signature += text;
  }

  private cite(block: CitedBlock, citation: unknown): void {
    this.keep(KEPT_EACH + this.cited.cite(block, citation));
  }

  private keep(characters: number): void {
    this.keptCharacters += characters;
    if (this.keptCharacters > MAX_KEPT_CHARACTERS) throw invalidAnswer('more to keep than any answer has');
  }

  private sayArguments({ callIndex }: OpenTool, text: string): string {
    return callIndex === null ? this.say('content', text) : this.chunks.writeArguments(callIndex, text);
  }

  private say(field: 'content' | 'reasoning_content' | 'refusal', text: string): string {
    this.hasContent = true;
    return this.chunks.writeText(field, text);
  }
}

/** The block an event begins; of a tool call with the digits of its numbers. */
function readBlock(block: unknown, json: string): unknown {
  if (!isObject(block) || block.type !== 'tool_use' || !mayHoldExactNumbers(json)) return block;
  const event = parseExactly(json);
  return isObject(event) ? event.content_block : block;
}

/** The blocks a message begins with, nearly always none. */
function readContent({ content }: Record<string, unknown>, json: string): readonly unknown[] {
  if (!Array.isArray(content) || content.length === 0) return [];
  const event = parseExactly(json);
  const message = isObject(event) ? event.message : undefined;
  return isObject(message) && Array.isArray(message.content) ? message.content : content;
}
