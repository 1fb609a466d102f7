import type { ChatChunk } from '../domain/chat.js';
import { RepeatedJson } from '../domain/repeated-json.js';
import { estimateTokens } from '../domain/token-estimate.js';

/** Where the texts of an answer begin within the JSON text of a chunk. */
const TEXT_STARTS = ['"content":"', '"reasoning_content":"', '"refusal":"', '"arguments":"'] as const;
const FINISH_START = '"finish_reason":"';
const BACKSLASH = 0x5c;
/** What differs from chunk to chunk; the second pads chunks, so that their length tells nothing. */
const VARYING = ['content', 'obfuscation'] as const;
/** Chunks of several choices take turns: nothing is gained by learning each anew. */
const MOST_LEARNED = 16;
/** As many choices as a request may ask for. */
const MAX_FINISHES = 128;

/**
 * How much of an answer's content came, for the bill of one that broke off. Looked up in the chunks' JSON texts as
 * they pass: parsing them would cost a stream more than all else that is done to it.
 */
export class ReceivedContent {
  private utf8Bytes = 0;
  /** Chunks that brought content: no provider sends less than a token in one. */
  private chunks = 0;
  /** By choice; one that has not ended is missing. Null until the first one ends: a map is large for a stream. */
  private finishes: Map<number, string> | null = null;

  /** A chunk of a word and nothing else that counts: those that follow mostly differ in the word alone. */
  private repeated: RepeatedJson | null = null;
  private learned = 0;

  add(text: string): void {
    const written = this.repeated?.read(text)?.[0];
    if (written === undefined) this.search(text);
    else this.count(Buffer.byteLength(written));
  }

  private search(text: string): void {
    let bytes = 0;
    for (const start of TEXT_STARTS) {
      let at = text.indexOf(start);
      while (at >= 0) {
        const from = at + start.length;
        const end = findEndOfText(text, from);
        bytes += Buffer.byteLength(text.slice(from, end));
        at = text.indexOf(start, end);
      }
    }
    this.count(bytes);
    if (text.includes(FINISH_START)) this.noteFinishes(text);
    else if (bytes > 0 && this.learned < MOST_LEARNED) this.learn(text, bytes);
  }

  private count(bytes: number): void {
    if (bytes === 0) return;
    this.utf8Bytes += bytes;
    this.chunks++;
  }

  /** Only where the word was all that was found: then nothing that stays the same says anything. */
  private learn(text: string, bytes: number): void {
    this.learned++;
    const repeated = text.includes(TEXT_STARTS[0]) ? RepeatedJson.of(text, VARYING) : null;
    const word = repeated?.read(text)?.[0];
    this.repeated = word !== undefined && Buffer.byteLength(word) === bytes ? repeated : null;
  }

  /** The finish reason of the first choice; null until it came. */
  get finishReason(): string | null {
    return this.finishes?.get(0) ?? null;
  }

  /** Of all choices that have ended. */
  get finishReasons(): readonly string[] {
    return [...(this.finishes?.values() ?? [])];
  }

  /** The greater of two bounds from below: by the size of the text, and by the number of its pieces. */
  get tokens(): number {
    return Math.max(estimateTokens(this.utf8Bytes), this.chunks);
  }

  private noteFinishes(text: string): void {
    const chunk = JSON.parse(text) as ChatChunk;
    this.finishes ??= new Map();
    const { finishes } = this;
    for (const { index, finish_reason: reason } of chunk.choices ?? []) {
      if (reason && finishes.size < MAX_FINISHES && !finishes.has(index)) finishes.set(index, reason);
    }
  }
}

/** The quotation mark that ends a JSON string: one with an even number of backslashes before it. */
function findEndOfText(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end >= 0) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}
