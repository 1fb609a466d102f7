import type { ChatCompletion } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { MarkerSource } from '../../domain/pseudonym.js';
import { ENGINE_FILTER } from '../filter-names.js';
import { runAtOnce } from '../slices.js';
import type { AnswerFindings } from './answer-findings.js';
import type { AnswerScreen } from './answer-screen.js';
import { type AnswerText, textsOf } from './answer-texts.js';
import { ENVELOPE, isEmptied } from './chunk-envelope.js';
import { LogprobWatch } from './logprob-watch.js';
import { otherTextsOf, replaceOther } from './other-texts.js';
import { ChunkLearning, type RepeatedChunk, type RepeatedWord } from './repeated-chunk.js';
import type { StreamRules } from './stream-rules.js';
import { BlockedTextError, TextChannel } from './text-channel.js';

export interface RewriterOptions {
  readonly rules: StreamRules | null;
  readonly markers: MarkerSource | null;
  readonly findings: AnswerFindings;
  /** What tells of whole texts beforehand that they need not be searched; null: all are. */
  readonly screen: AnswerScreen | null;
}

/** In findings: arguments that would not be JSON any more. */
const BROKEN_JSON_RULE = 'filter-failed';

/** A text that goes on from delta to delta. */
interface OpenText {
  readonly channel: TextChannel;
  readonly wrap: AnswerText['wrap'];
}

/** An answer must not go on. `before` is what may still be sent of it: JSON texts of chunks. */
export class BlockedAnswerError extends Error {
  constructor(readonly before: readonly string[]) {
    super('an answer was blocked');
    this.name = 'BlockedAnswerError';
  }
}

/** Rewrites one answer: a whole one, or a stream chunk by chunk. Both come out the same. */
export class AnswerRewriter {
  /** By choice, then by path. */
  private readonly open = new Map<number, Map<string, OpenText>>();
  /** Chunks with the usage, which come last: text that still waits goes before them. */
  private readonly counted: string[] = [];
  /** By choice; null until there are any. */
  private logprobs: Map<number, LogprobWatch> | null = null;
  /** The last chunk with choices: what is made here looks like it. */
  private lastChunk: Record<string, unknown> | null = null;

  private repeated: RepeatedChunk | null = null;
  private readonly learning = new ChunkLearning();

  constructor(private readonly options: RewriterOptions) {}

  /** The same completion, changed in place. Throws `BlockedAnswerError`. */
  rewriteCompletion(completion: ChatCompletion): ChatCompletion {
    return runAtOnce(this.completionInSteps(completion));
  }

  /** The same, pausing between steps. */
  *completionInSteps(completion: ChatCompletion): Generator<void, ChatCompletion> {
    const texts = completion.choices.map(({ message }) => [...textsOf(message)]);
    yield* this.rewriteOthers(completion, texts.flat());
    for (const [position, choice] of completion.choices.entries()) {
      let hasChanged = false;
      for (const text of texts[position] ?? []) {
        const value = yield* this.rewriteWhole(text, `choices[${choice.index}].message.${text.path}`);
        if (value === text.value) continue;
        hasChanged = true;
        replaceText(text, value);
      }
      if (hasChanged) dropUnsignedThinking(choice.message);
      if (choice.logprobs && (hasChanged || !this.openLogprobs().admits(choice.logprobs, true))) choice.logprobs = null;
    }
    return completion;
  }

  /** A chunk's JSON text → those to send in its place. Throws `BlockedAnswerError`. */
  rewriteChunk(json: string): readonly string[] {
    return runAtOnce(this.chunkInSteps(json));
  }

  /** The same, pausing between steps. */
  *chunkInSteps(json: string): Generator<void, readonly string[]> {
    const word = this.counted.length === 0 ? this.repeated?.read(json) : null;
    const open = word && this.open.get(word.index)?.get(word.path);
    if (word && open) return yield* this.repeatInSteps(json, word, open);
    const chunk: unknown = JSON.parse(json);
    if (!isObject(chunk)) return [json];
    const choices: unknown[] = Array.isArray(chunk.choices) ? chunk.choices : [];
    const texts = choices.flatMap((choice) =>
      isObject(choice) && isObject(choice.delta) ? [...textsOf(choice.delta)] : [],
    );
    let isChanged = yield* this.rewriteOthers(chunk, texts);
    if (choices.length > 0) this.lastChunk = chunk;
    if (choices.length === 0 && isObject(chunk.usage) && this.holdsAnything()) {
      this.counted.push(isChanged ? JSON.stringify(chunk) : json);
      return [];
    }
    const before = choices.length > 0 ? this.counted.splice(0) : [];
    for (const choice of choices) {
      if (isObject(choice) && isObject(choice.delta))
        isChanged = (yield* this.rewriteChoice(choice, choice.delta, before)) || isChanged;
    }
    this.repeated = this.learning.learn(json, choices, texts);
    if (!isChanged) return before.length === 0 ? [json] : [...before, json];
    if (!isEmptied(chunk)) before.push(JSON.stringify(chunk));
    return before;
  }

  /** A chunk that differs from an earlier one in a word: the rest of it was looked at then. */
  private *repeatInSteps(json: string, word: RepeatedWord, open: OpenText): Generator<void, readonly string[]> {
    try {
      const value = yield* open.channel.pushInSteps(word.text);
      if (value === word.text) return [json];
      return value === '' ? [] : [word.write(value)];
    } catch (error) {
      if (!(error instanceof BlockedTextError)) throw error;
      throw new BlockedAnswerError(error.before === '' ? [] : [this.chunkOf(word.index, open.wrap(error.before))]);
    }
  }

  /** What is left to send when the stream is over. Throws `BlockedAnswerError`. */
  finish(): readonly string[] {
    const before: string[] = [];
    for (const index of this.open.keys()) this.flush(index, before, new Set());
    return [...before, ...this.counted.splice(0)];
  }

  /** Whether any was changed. */
  private *rewriteOthers(answer: Record<string, unknown>, texts: readonly AnswerText[]): Generator<void, boolean> {
    let isChanged = false;
    const isKnown = (holder: object, key: string): boolean =>
      texts.some((text) => text.holder === holder && text.key === key);
    for (const other of [...otherTextsOf(answer, isKnown)]) {
      if (yield* this.isClean(other.value)) continue;
      const channel = this.openChannel(false, other.path);
      try {
        const value = (yield* channel.pushInSteps(other.value)) + channel.finish();
        if (value === other.value) continue;
        replaceOther(other, value);
        isChanged = true;
      } catch (error) {
        throw error instanceof BlockedTextError ? new BlockedAnswerError([]) : error;
      }
    }
    return isChanged;
  }

  /** Markers are looked for by those who read a text as it comes alone. */
  private *isClean(text: string): Generator<void, boolean> {
    const { screen, markers } = this.options;
    return screen !== null && markers === null && (yield* screen.isClean(text));
  }

  private *rewriteWhole(text: AnswerText, path: string): Generator<void, string> {
    if (yield* this.isClean(text.value)) return text.value;
    const channel = this.openChannel(text.isJson, path);
    try {
      const value = (yield* channel.pushInSteps(text.value)) + channel.finish();
      if (value === text.value || !text.isJson || isJson(value) || !isJson(text.value)) return value;
      this.options.findings.record(ENGINE_FILTER, BROKEN_JSON_RULE, 'block', path);
      throw new BlockedAnswerError([]);
    } catch (error) {
      if (error instanceof BlockedTextError) throw new BlockedAnswerError([]);
      throw error;
    }
  }

  /** Whether the choice was changed; what has to go before its chunk is added to `before`. */
  private *rewriteChoice(
    choice: Record<string, unknown>,
    delta: Record<string, unknown>,
    before: string[],
  ): Generator<void, boolean> {
    const index = typeof choice.index === 'number' ? choice.index : 0;
    const isLast = typeof choice.finish_reason === 'string';
    const carried = new Set<string>();
    let isChanged = false;
    for (const text of textsOf(delta)) {
      const { signature } = text.holder;
      let value: string;
      try {
        value = yield* this.rewriteText(text, index, isLast && text.isPiece, carried);
      } catch (error) {
        if (!(error instanceof BlockedTextError)) throw error;
        if (error.before !== '') before.push(this.chunkOf(index, text.wrap(error.before)));
        throw new BlockedAnswerError(before);
      }
      if (value === text.value && text.holder.signature === signature) continue;
      isChanged = true;
      replaceText(text, value);
    }
    if (isLast) this.flush(index, before, carried);
    if (isChanged) dropUnsignedThinking(delta);
    if (choice.logprobs && (!this.logprobsOf(index).admits(choice.logprobs, false) || isChanged)) {
      choice.logprobs = null;
      return true;
    }
    return isChanged;
  }

  private *rewriteText(
    text: AnswerText,
    index: number,
    isLast: boolean,
    carried: Set<string>,
  ): Generator<void, string> {
    const path = `choices[${index}].delta.${text.path}`;
    if (!text.isPiece) {
      const channel = this.openChannel(text.isJson, path);
      return (yield* channel.pushInSteps(text.value)) + channel.finish();
    }
    const texts = this.textsOfChoice(index);
    let open = texts.get(text.path);
    if (!open) {
      open = { channel: this.openChannel(text.isJson, path), wrap: text.wrap };
      texts.set(text.path, open);
    }
    carried.add(text.path);
    const value = yield* open.channel.pushInSteps(text.value);
    if (open.channel.hasRewritten && typeof text.holder.signature === 'string') text.holder.signature = null;
    if (!isLast) return value;
    texts.delete(text.path);
    try {
      return value + open.channel.finish();
    } catch (error) {
      throw error instanceof BlockedTextError ? new BlockedTextError(value + error.before) : error;
    }
  }

  private openChannel(isJson: boolean, path: string): TextChannel {
    const { rules, markers, findings } = this.options;
    return new TextChannel({
      rules,
      markers,
      isJson,
      onAction: (filter, rule, action) => findings.record(filter, rule, action, path),
    });
  }

  private textsOfChoice(index: number): Map<string, OpenText> {
    const known = this.open.get(index);
    if (known) return known;
    const texts = new Map<string, OpenText>();
    this.open.set(index, texts);
    return texts;
  }

  private logprobsOf(index: number): LogprobWatch {
    this.logprobs ??= new Map();
    const known = this.logprobs.get(index);
    if (known) return known;
    const watch = this.openLogprobs();
    this.logprobs.set(index, watch);
    return watch;
  }

  /** What it finds is found in the text, too, and told of there. */
  private openLogprobs(): LogprobWatch {
    const { rules, markers } = this.options;
    return new LogprobWatch(() => new TextChannel({ rules, markers, isJson: false, onAction: () => undefined }));
  }

  private holdsAnything(): boolean {
    for (const texts of this.open.values()) for (const { channel } of texts.values()) if (channel.held > 0) return true;
    return false;
  }

  /** Ends the texts of a choice; what still waited of them becomes a chunk of its own. */
  private flush(index: number, chunks: string[], carried: ReadonlySet<string>): void {
    const texts = this.open.get(index);
    if (!texts) return;
    this.open.delete(index);
    // All in one chunk: the same words may stand in two fields, and clients take either.
    const delta: Record<string, unknown> = {};
    let isBlocked = false;
    for (const [path, { channel, wrap }] of texts) {
      if (carried.has(path)) continue;
      const { rest, blocks } = finish(channel);
      if (rest !== '') addTo(delta, wrap(rest));
      isBlocked ||= blocks;
    }
    if (Object.keys(delta).length > 0) chunks.push(this.chunkOf(index, delta));
    if (isBlocked) throw new BlockedAnswerError(chunks);
  }

  /** A chunk like the last one with nothing in it but this delta. */
  private chunkOf(index: number, delta: Record<string, unknown>): string {
    const like = this.lastChunk ?? {};
    const envelope = Object.fromEntries(ENVELOPE.filter((name) => name in like).map((name) => [name, like[name]]));
    const first = Array.isArray(like.choices) && isObject(like.choices[0]) ? like.choices[0] : {};
    const choice = { index, delta, ...('logprobs' in first && { logprobs: null }), finish_reason: null };
    return JSON.stringify({ ...envelope, choices: [choice], ...('usage' in like && { usage: null }) });
  }
}

/** The rest of a text: what may go out of it, and whether it is blocked behind that. */
function finish(channel: TextChannel): { rest: string; blocks: boolean } {
  try {
    return { rest: channel.finish(), blocks: false };
  } catch (error) {
    if (error instanceof BlockedTextError) return { rest: error.before, blocks: true };
    throw error;
  }
}

/** Lists grow, e.g. `tool_calls`; of anything else there is one. */
function addTo(delta: Record<string, unknown>, more: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(more)) {
    const known = delta[key];
    delta[key] =
      Array.isArray(known) && Array.isArray(value) ? [...(known as unknown[]), ...(value as unknown[])] : value;
  }
}

function replaceText({ holder, key, isPiece }: AnswerText, value: string): void {
  holder[key] = value;
  // Signed over the text as it was: it must not pass for the model's own.
  if (!isPiece && typeof holder.signature === 'string') holder.signature = null;
}

/** A block of thinking that was changed cannot be sent back to its provider. */
function dropUnsignedThinking(delta: Record<string, unknown>): void {
  const blocks = delta.thinking_blocks;
  if (!Array.isArray(blocks)) return;
  const signed = blocks.filter((block: unknown) => !isObject(block) || block.signature !== null);
  if (signed.length > 0) delta.thinking_blocks = signed;
  else delete delta.thinking_blocks;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
