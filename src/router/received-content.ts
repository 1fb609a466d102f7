import type { ChatChunk } from '../domain/chat.js';
import { estimateTokens } from '../domain/token-estimate.js';

/** Where the texts of an answer begin within the JSON text of a chunk. */
const TEXT_STARTS = ['"content":"', '"reasoning_content":"', '"refusal":"', '"arguments":"'] as const;
const FINISH_START = '"finish_reason":"';
const BACKSLASH = 0x5c;
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

  add(text: string): void {
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
    if (bytes > 0) {
      this.utf8Bytes += bytes;
      this.chunks++;
    }
    if (text.includes(FINISH_START)) this.noteFinishes(text);
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
