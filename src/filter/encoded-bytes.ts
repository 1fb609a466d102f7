import type { DerivedText } from './source-map.js';

/** Bytes that a stretch of a text stands for. */
export interface PlacedBytes {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** So many bytes, counted from the first, were made of the same characters. */
  readonly perGroup: number;
  /** How many characters those are, where the groups follow each other without anything between; else 0. */
  readonly perSource: number;
  /** The first and the last character of the source that a byte was made of, as indexes. */
  firstOf(byte: number): number;
  lastOf(byte: number): number;
}

/** The shortest credential worth finding. */
export const MIN_TEXT = 16;
const NUL = 0;
const SPACE = 32;
const TILDE = 126;
const TAB = 9;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const BYTE_VALUES = 256;
const FIRST_CONTINUATION = 0x80;
const FIRST_LEAD = 0xc2;
const LAST_LEAD = 0xf4;
const CONTINUATION_BITS = 6;
const CONTINUATION_MASK = 0x3f;
const LEAD_MASK = 0x7f;
const NOT_A_DIGIT = 16;

/** What a digit of hexadecimal stands for; 16 for anything else. */
export function hexDigitOf(unit: number): number {
  if (unit >= 48 && unit <= 57) return unit - 48;
  const lower = unit | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : NOT_A_DIGIT;
}

/** A stretch of bytes that say a text: from `start` up to `end`. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Whether there is a stretch of UTF-8 or UTF-16 text as long as the shortest credential: random bytes hold none. */
export function holdsText(bytes: Uint8Array, length: number): boolean {
  return findText(bytes, length, 0, MIN_TEXT) !== null;
}

/**
 * The next stretch of text that is long enough, NUL bytes included, as UTF-16 has them. Of one with `enough` characters no
 * more is read.
 */
function findText(bytes: Uint8Array, length: number, from: number, enough = length): Stretch | null {
  let start = from;
  let characters = 0;
  let index = from;
  while (index < length && characters < enough) {
    const counts = countsOf[bytes[index] as number] as number;
    if (counts <= 1) {
      characters += counts;
      index++;
      continue;
    }
    const more = counts === MULTI_BYTE ? continuationsAt(bytes, length, index) : 0;
    if (more > 0) {
      characters++;
      index += more + 1;
      continue;
    }
    if (characters >= MIN_TEXT) break;
    characters = 0;
    index++;
    start = index;
  }
  return characters >= MIN_TEXT ? { start, end: index } : null;
}

/** What a byte counts for in a text: 0 or 1 characters, the first of several bytes, or the end of the text. */
const MULTI_BYTE = 2;
const NO_TEXT = 3;
const countsOf = new Uint8Array(BYTE_VALUES)
  .fill(NO_TEXT)
  .fill(1, SPACE, TILDE + 1)
  .fill(MULTI_BYTE, FIRST_LEAD, LAST_LEAD + 1);
for (const byte of [NUL, TAB, LINE_FEED, CARRIAGE_RETURN]) countsOf[byte] = 0;

/**
 * Adds what the bytes say as UTF-8 to the text, each stretch on a line of its own. Where there are NUL bytes, as in UTF-16,
 * once more without them.
 */
export function writeBytes(text: DerivedText, placed: PlacedBytes): void {
  const { bytes, length } = placed;
  let stretch = findText(bytes, length, 0);
  for (let isFirst = true; stretch; isFirst = false) {
    const { start, end } = stretch;
    if (!isFirst) text.addCode(placed.firstOf(start), placed.lastOf(start) + 1, LINE_FEED);
    writeUtf8(text, placed, stretch, false);
    if (bytes.subarray(start, end).includes(NUL)) {
      text.addCode(placed.firstOf(end - 1), placed.lastOf(end - 1) + 1, LINE_FEED);
      writeUtf8(text, placed, stretch, true);
    }
    stretch = findText(bytes, length, end);
  }
}

function writeUtf8(text: DerivedText, placed: PlacedBytes, { start, end }: Stretch, dropNul: boolean): void {
  const { bytes, length, perGroup, perSource } = placed;
  for (let index = start; index < end; ) {
    const groupEnd = index - (index % perGroup) + perGroup;
    const isAligned = perSource > 0 && groupEnd - index === perGroup;
    const asciiEnd = endOfAscii(bytes, index, isAligned ? end : Math.min(end, groupEnd));
    if (asciiEnd > index) {
      const sourceEnd = placed.lastOf(asciiEnd - 1) + 1;
      text.addBytes(bytes, index, asciiEnd, placed.firstOf(index), sourceEnd, isAligned ? perGroup : 0, perSource);
      index = asciiEnd;
      continue;
    }
    const byte = bytes[index] ?? 0;
    const size = 1 + (byte < FIRST_LEAD ? 0 : continuationsAt(bytes, length, index));
    if (byte !== NUL || !dropNul) {
      const code = size === 1 ? byte : readCode(bytes, index, size);
      text.addCode(placed.firstOf(index), placed.lastOf(index + size - 1) + 1, code);
    }
    index += size;
  }
}

function endOfAscii(bytes: Uint8Array, from: number, to: number): number {
  let index = from;
  while (index < to && bytes[index] !== NUL && (bytes[index] as number) < FIRST_CONTINUATION) index++;
  return index;
}

/** How many bytes follow the first of a character of a text; null where none begins so. */
export function continuationsOf(byte: number): number | null {
  const counts = countsOf[byte];
  return counts === NO_TEXT ? null : counts === MULTI_BYTE ? trailingBytes(byte) : 0;
}

/** How many bytes follow a first byte of UTF-8; 0 where it is none. */
export function trailingBytes(lead: number): number {
  if (lead < FIRST_LEAD || lead > LAST_LEAD) return 0;
  return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

/** As many as belong there, or none. */
function continuationsAt(bytes: Uint8Array, length: number, index: number): number {
  const count = trailingBytes(bytes[index] ?? 0);
  for (let next = 1; next <= count; next++) {
    if (index + next >= length || ((bytes[index + next] as number) & 0xc0) !== FIRST_CONTINUATION) return 0;
  }
  return count < 3 || readCode(bytes, index, count + 1) <= 0x10ffff ? count : 0;
}

/** The character that so many bytes of UTF-8 write. */
export function readCode(bytes: Uint8Array, index: number, size: number): number {
  const lead = bytes[index] ?? 0;
  let code = size === 1 ? lead : lead & (LEAD_MASK >>> size);
  for (let next = 1; next < size; next++) {
    code = (code << CONTINUATION_BITS) | ((bytes[index + next] ?? 0) & CONTINUATION_MASK);
  }
  return code;
}
