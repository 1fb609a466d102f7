import type { ChatUsage } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type { AnswerContext, AnswerOrigin, ServerSentEvent, StreamTranslator } from '../../domain/provider-adapter.js';
import { RepeatedJson } from '../../domain/repeated-json.js';
import type { TokenUsage } from '../../domain/usage.js';
import { findText, hasTwins, invalidAnswer, parseAnswerObject, truncatedAnswer } from './json-answer.js';
import { isInBandError, readInBandError } from './openai-error.js';
import { readChoiceIndex, repairEnvelope } from './openai-repair.js';
import { StreamedChoice } from './openai-stream-choice.js';
import { findUsage, toTokenUsage } from './usage-reading.js';

const OBJECT = 'chat.completion.chunk';
const MODEL_KEY = '"model"';
/** What differs from chunk to chunk. OpenAI pads chunks with random letters, so that their length tells nothing. */
const VARYING = ['content', 'obfuscation'] as const;
/** Chunks of several choices take turns: nothing is gained by learning each anew. */
const MOST_LEARNED = 16;
const BETWEEN_KEY_AND_VALUE: ReadonlySet<string> = new Set([' ', ':', '\t', '\n', '\r']);

interface ReadChunk {
  readonly chunk: Record<string, unknown>;
  readonly choices: readonly unknown[];
  /** True where the choices are not as they came. */
  readonly repaired: boolean;
}

/**
 * Relays an OpenAI-format stream. A chunk that needs no repair keeps its text but for the model's name; every other
 * one is rebuilt. Finishes and usage are held back until the provider says that the answer is complete.
 */
export class OpenAiStream implements StreamTranslator {
  finished = false;
  usage: TokenUsage | null = null;
  origin: AnswerOrigin | undefined;
  private readonly choices = new Map<number, StreamedChoice>();
  private readonly modelText: string;
  /** Azure's first chunk tells of the prompt's filters and has no id yet: it waits for the next one's. */
  private waiting: Record<string, unknown>[] = [];
  private readonly envelope: Record<string, unknown> = {};
  private id: string | null = null;
  private created: number | null = null;
  private clientUsage: ChatUsage | null = null;
  /** A server that counts says `"usage": null` in every chunk before the one with the count. */
  private promisesUsage = false;
  /** A chunk of a word, as it came and as it went out: most of those that follow differ in the word alone. */
  private repeated: { readonly came: RepeatedJson; readonly went: RepeatedJson } | null = null;
  private learned = 0;
  /** What else stood in the chunk that carried the usage. */
  private usageFields: Record<string, unknown> = {};

  constructor(private readonly context: AnswerContext) {
    this.modelText = JSON.stringify(context.requestedModel);
  }

  get hasContent(): boolean {
    for (const choice of this.choices.values()) if (choice.hasContent) return true;
    return false;
  }

  push(event: ServerSentEvent): readonly string[] {
    if (this.finished) return [];
    const text = event.data;
    if (text.trim() === '[DONE]') {
      if (this.choices.size === 0) throw truncatedAnswer('[DONE] before any choice');
      return this.complete();
    }
    const isNamed = event.type !== '' && event.type !== 'message';
    const written = isNamed ? null : this.repeated?.came.read(text);
    if (this.repeated && written?.[0]) return [this.repeated.went.write(written)];
    const read = readChunk(event);
    if (read === null) return [];
    const saysWord = !isNamed && isWord(read.choices);
    const texts = this.relay(text, read);
    if (saysWord && texts.length === 1 && this.learned < MOST_LEARNED) this.learn(text, texts[0] ?? '');
    return texts;
  }

  private learn(text: string, sent: string): void {
    const came = RepeatedJson.of(text, VARYING);
    const went = RepeatedJson.of(sent, VARYING);
    this.learned++;
    // The first chunk may have been given the role, which no other one has.
    const { choices } = JSON.parse(sent) as Record<string, unknown>;
    if (!Array.isArray(choices) || !isWord(choices)) return;
    const isSame = came?.read(text)?.join() === went?.read(sent)?.join();
    this.repeated = came && went && isSame ? { came, went } : null;
  }

  end(): readonly string[] {
    if (this.finished) return [];
    const choices = [...this.choices.values()];
    if (choices.length === 0) throw truncatedAnswer('no choice came');
    if (!choices.every((choice) => choice.isFinished)) throw truncatedAnswer('no [DONE] and a choice without a finish');
    if (this.promisesUsage && !this.usage) throw truncatedAnswer('no [DONE] and no usage, which was to come');
    return this.complete();
  }

  private relay(text: string, { chunk, choices, repaired }: ReadChunk): readonly string[] {
    const cameEmpty = choices.length === 0;
    const carriesUsage = this.takeUsage(chunk, cameEmpty);
    let changed = repaired || carriesUsage;
    const kept = choices.filter((choice, position) => {
      if (!isObject(choice)) throw invalidAnswer('a choice that is no object');
      const outcome = this.choiceOf(choice, position).take(choice);
      changed = outcome.changed || changed;
      return outcome.kept;
    });
    if (kept.length !== choices.length) {
      chunk.choices = kept;
      changed = true;
    }
    if (cameEmpty && !carriesUsage && this.id === null && findText(chunk.id) === undefined) {
      this.waiting.push(chunk);
      return [];
    }
    changed = this.repairHeader(chunk) || changed;
    const released = this.releaseWaiting();
    // Nothing is left of a chunk that only carried what is held back.
    if (kept.length === 0 && (!cameEmpty || carriesUsage)) return released;
    released.push(changed ? this.rebuild(chunk) : this.renameModel(text, chunk));
    return released;
  }

  private takeUsage(chunk: Record<string, unknown>, cameEmpty: boolean): boolean {
    if (chunk.usage === undefined || chunk.usage === null) {
      if (chunk.usage === null) this.promisesUsage = true;
      this.usage = readOwnUsage(chunk) ?? this.usage;
      return false;
    }
    const usage = findUsage(chunk.usage);
    delete chunk.usage;
    if (usage) {
      // Each count is the total so far: the last one holds, none is added to another.
      this.clientUsage = usage;
      this.usage = toTokenUsage(usage, chunk.service_tier ?? this.envelope.service_tier);
      if (cameEmpty) this.usageFields = chunk;
    }
    return true;
  }

  private choiceOf(choice: Record<string, unknown>, position: number): StreamedChoice {
    const index = readChoiceIndex(choice.index, position);
    let streamed = this.choices.get(index);
    if (!streamed) {
      streamed = new StreamedChoice(index, this.context.requestId);
      this.choices.set(index, streamed);
    }
    return streamed;
  }

  private repairHeader(chunk: Record<string, unknown>): boolean {
    let changed = repairEnvelope(chunk);
    this.origin ??= findOrigin(chunk);
    this.id ??= findText(chunk.id) ?? `chatcmpl-${this.context.requestId}`;
    // Some servers make up a new id for each chunk: an answer has one.
    if (chunk.id !== this.id) {
      chunk.id = this.id;
      changed = true;
    }
    const created = Number.isInteger(chunk.created) && chunk.created !== 0 ? Number(chunk.created) : null;
    this.created ??= created ?? this.context.createdSeconds;
    // llama-box and xAI tell the time of each chunk: an answer has one.
    if (chunk.created !== this.created) {
      chunk.created = this.created;
      changed = true;
    }
    if (chunk.object !== OBJECT) {
      chunk.object = OBJECT;
      changed = true;
    }
    const { system_fingerprint: fingerprint, service_tier: tier } = chunk;
    if (fingerprint !== undefined) this.envelope.system_fingerprint = fingerprint;
    if (tier !== undefined) this.envelope.service_tier = tier;
    return changed;
  }

  private releaseWaiting(): string[] {
    const texts = this.waiting.map((chunk) => {
      this.repairHeader(chunk);
      return this.rebuild(chunk);
    });
    this.waiting = [];
    return texts;
  }

  private rebuild(chunk: Record<string, unknown>): string {
    chunk.model = this.context.requestedModel;
    return JSON.stringify(chunk);
  }

  /**
   * The same text with another model. Quotes inside a JSON string are escaped, so `"model":` stands for a key; where it
   * stands more than once, or is written otherwise, the chunk is rebuilt.
   */
  private renameModel(text: string, chunk: Record<string, unknown>): string {
    const key = text.indexOf(MODEL_KEY);
    if (typeof chunk.model !== 'string' || key === -1 || text.indexOf(MODEL_KEY, key + 1) !== -1) {
      return this.rebuild(chunk);
    }
    // An event may come over several `data` lines; each of ours is one.
    if (text.includes('\n')) return this.rebuild(chunk);
    let start = key + MODEL_KEY.length;
    while (BETWEEN_KEY_AND_VALUE.has(text.charAt(start))) start++;
    const model = JSON.stringify(chunk.model);
    if (!text.startsWith(model, start)) return this.rebuild(chunk);
    const renamed = text.slice(0, start) + this.modelText + text.slice(start + model.length);
    // JSON that came in several lines: the client's events have one, and a line feed in JSON is but a blank.
    return renamed.replaceAll('\n', ' ');
  }

  /** Every choice's finish, then the usage chunk the client asked for. */
  private complete(): string[] {
    this.finished = true;
    const texts = this.releaseWaiting();
    const indexes = [...this.choices.keys()].sort((first, second) => first - second);
    for (const index of indexes) {
      for (const choice of this.choices.get(index)?.end() ?? []) texts.push(this.closing({ choices: [choice] }));
    }
    if (this.context.includeUsage && this.clientUsage) {
      texts.push(this.closing({ ...this.usageFields, choices: [], usage: this.clientUsage }));
    }
    return texts;
  }

  private closing(fields: Record<string, unknown>): string {
    return JSON.stringify({
      ...this.envelope,
      ...fields,
      id: this.id ?? `chatcmpl-${this.context.requestId}`,
      object: OBJECT,
      created: this.created ?? this.context.createdSeconds,
      model: this.context.requestedModel,
    });
  }
}

/** Whether a chunk says some words of one choice and nothing else: another one like it would be treated the same way. */
function isWord(choices: readonly unknown[]): boolean {
  const [choice] = choices;
  if (choices.length !== 1 || !isObject(choice) || !isObject(choice.delta)) return false;
  if (choice.finish_reason !== null && choice.finish_reason !== undefined) return false;
  return Object.keys(choice.delta).length === 1 && findText(choice.delta.content) !== undefined && !choice.logprobs;
}

/** Azure's first chunk has neither. */
function findOrigin(chunk: Record<string, unknown>): AnswerOrigin | undefined {
  const model = findText(chunk.model);
  return model === undefined ? undefined : { id: findText(chunk.id) ?? null, model };
}

/** The chunk in an event; null where the event says nothing of the answer. Throws where it tells of a failure. */
function readChunk({ type, data }: ServerSentEvent): ReadChunk | null {
  const isNamed = type !== '' && type !== 'message';
  if (isNamed && !/^\s*[{[]/.test(data)) {
    if (type === 'error') throw readInBandError({ error: data });
    return null;
  }
  if (data.trim() === '') return null;
  const chunk = parseAnswerObject(data);
  if (isInBandError(chunk)) throw readInBandError(chunk);
  if (type === 'error') throw readInBandError({ error: chunk });
  const { choices } = chunk;
  if (Array.isArray(choices)) return { chunk, choices, repaired: hasTwins(data, chunk) };
  if (choices === null || (choices === undefined && (isObject(chunk.usage) || chunk.object === OBJECT))) {
    chunk.choices = [];
    return { chunk, choices: [], repaired: true };
  }
  // Heartbeats and metadata of some servers come as events with a name of their own.
  if (isNamed || chunk.type === 'ping') return null;
  throw invalidAnswer('an event that is no chunk');
}

/** The count of servers that have a place of their own for it: Groq's `x_groq`, Moonshot's in the choice. */
function readOwnUsage(chunk: Record<string, unknown>): TokenUsage | null {
  const [choice] = Array.isArray(chunk.choices) ? (chunk.choices as unknown[]) : [];
  for (const place of [chunk.x_groq, choice]) {
    const usage = isObject(place) && isObject(place.usage) ? findUsage({ ...place.usage }) : undefined;
    if (usage) return toTokenUsage(usage);
  }
  return null;
}
