import { holdsText, type PlacedBytes, writeBytes } from './encoded-bytes.js';
import { ALPHANUMERICS, CharacterSet, DIGITS } from './engine/character-set.js';
import type { ScanBudget } from './engine/scan-budget.js';
import type { ScanText } from './engine/scan-text.js';
import { DerivedText } from './source-map.js';

/** Base64 of the shortest credential worth finding (16 characters). */
const MIN_BASE64_RUN = 22;
const MIN_HEX_RUN = 40;
/** Lines as mail, PEM and YAML wrap them are one run, also where they are indented or quoted. */
const MIN_WRAPPED_LINE = 16;
const OUTSIDE = 64;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const EQUALS_SIGN = 61;
const MAX_PADDING = 2;
const ASCII = 128;
/** A run's groups may begin anywhere in it: a path can stand before it, and a window begins in its middle. */
const BASE64_ALIGNMENTS = 4;
const HEX_ALIGNMENTS = 2;
/** What a run costs in the budget's steps: a little however short it is, and decoding it in every alignment. */
const STEPS_PER_RUN = 50;
const STEPS_PER_CHARACTER = 8;

const BASE64_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** What each ASCII character stands for in base64 of both kinds, and in hexadecimal; `OUTSIDE` where it does not. */
const base64Value = new Uint8Array(ASCII).fill(OUTSIDE);
[...BASE64_LETTERS].forEach((letter, value) => {
  base64Value[letter.charCodeAt(0)] = value;
});
base64Value['-'.charCodeAt(0)] = 62;
base64Value['_'.charCodeAt(0)] = 63;
const hexValue = new Uint8Array(ASCII).fill(OUTSIDE);
[...'0123456789abcdef'].forEach((digit, value) => {
  hexValue[digit.charCodeAt(0)] = value;
  hexValue[digit.toUpperCase().charCodeAt(0)] = value;
});

const BASE64 = membersOf(ALPHANUMERICS.union(CharacterSet.of('+/-_')));
const HEX = membersOf(DIGITS.union(CharacterSet.of('abcdefABCDEF')));
const LINE_BEGINNINGS = membersOf(CharacterSet.of(' \t>'));

/** One byte for each UTF-16 unit: 1 where it belongs to the set. */
function membersOf(set: CharacterSet): Uint8Array {
  const members = new Uint8Array(2 ** 16);
  members.set(set.ascii);
  return members;
}

/**
 * The text with what base64 and hexadecimal runs of a credential's length stand for in their place; null where no run
 * stands for text. Runs in which `isNew` sees nothing new are left as they are. Yields where it has worked for a while.
 */
export function* decodeRuns(
  source: ScanText,
  budget: ScanBudget,
  isNew: (start: number, end: number) => boolean,
): Generator<void, DerivedText | null> {
  const { units, length } = source;
  let derived: DerivedText | null = null;
  let start = findRun(units, length, 0);
  while (start < length) {
    const end = endOfRun(units, length, start);
    if (end - start >= MIN_BASE64_RUN && isNew(start, end)) {
      budget.spend(STEPS_PER_RUN + STEPS_PER_CHARACTER * (end - start));
      const run = new EncodedRun(units, start, end);
      if (run.holdsText()) {
        derived ??= new DerivedText(source);
        run.writeTo(derived, endOfPadding(units, length, end));
      }
    }
    if (budget.passedSlice()) yield;
    start = findRun(units, length, end);
  }
  return derived;
}

/** Where the next run begins that could be a line of base64; the text's length where there is none. */
function findRun(units: Uint16Array, length: number, from: number): number {
  let start = from;
  while (start + MIN_WRAPPED_LINE <= length) {
    // A run of the length asked for holds every one of its places: looked at from its end, most of a text is skipped.
    let at = start + MIN_WRAPPED_LINE - 1;
    while (at >= start && BASE64[units[at] ?? 0] === 1) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return length;
}

function skipAll(units: Uint16Array, length: number, from: number, members: Uint8Array): number {
  let index = from;
  while (index < length && members[units[index] ?? 0] === 1) index++;
  return index;
}

/** A run goes on over a line's end where its lines are long enough to have been wrapped. */
function endOfRun(units: Uint16Array, length: number, start: number): number {
  let lineStart = start;
  for (;;) {
    const lineEnd = skipAll(units, length, lineStart, BASE64);
    if (lineEnd - lineStart < MIN_WRAPPED_LINE) return lineEnd;
    let next = lineEnd;
    if (units[next] === CARRIAGE_RETURN) next++;
    if (next >= length || units[next] !== LINE_FEED) return lineEnd;
    next = skipAll(units, length, next + 1, LINE_BEGINNINGS);
    if (next >= length || BASE64[units[next] ?? 0] !== 1) return lineEnd;
    lineStart = next;
  }
}

function endOfPadding(units: Uint16Array, length: number, end: number): number {
  let index = end;
  while (index < length && index - end < MAX_PADDING && units[index] === EQUALS_SIGN) index++;
  return index;
}

/** The digits of a run and what they stand for. */
class EncodedRun {
  private readonly digits: Uint8Array;
  private readonly places: Int32Array;
  private size = 0;
  private readonly texts: PlacedBytes[] = [];

  constructor(
    units: Uint16Array,
    private readonly start: number,
    end: number,
  ) {
    this.digits = new Uint8Array(end - start);
    this.places = new Int32Array(end - start);
    for (let index = start; index < end; index++) {
      const unit = units[index] ?? 0;
      if (BASE64[unit] !== 1) continue;
      this.digits[this.size] = unit;
      this.places[this.size++] = index;
    }
  }

  holdsText(): boolean {
    let wholeIsHex = false;
    for (let from = this.findHex(0); from < this.size; ) {
      const to = skipAllBytes(this.digits, this.size, from, HEX);
      wholeIsHex = to - from === this.size;
      for (let offset = 0; offset < HEX_ALIGNMENTS; offset++) this.keepText(this.readHex(from + offset, to));
      from = this.findHex(to);
    }
    if (wholeIsHex) return this.texts.length > 0;
    for (let offset = 0; offset < BASE64_ALIGNMENTS; offset++) this.keepText(this.readBase64(offset));
    return this.texts.length > 0;
  }

  /** Puts the texts in the run's place, one after the other where there are several. */
  writeTo(derived: DerivedText, end: number): void {
    derived.open(this.start);
    this.texts.forEach((text, index) => {
      if (index > 0) derived.addCode(this.start, end, LINE_FEED);
      writeBytes(derived, text);
    });
    derived.close(end);
  }

  private keepText(text: PlacedBytes): void {
    if (holdsText(text.bytes, text.length)) this.texts.push(text);
  }

  private findHex(from: number): number {
    for (let start = from; start < this.size; ) {
      const end = skipAllBytes(this.digits, this.size, start, HEX);
      if (end - start >= MIN_HEX_RUN) return start;
      start = end + 1;
    }
    return this.size;
  }

  private readHex(from: number, to: number): PlacedBytes {
    const { digits, places } = this;
    const length = (to - from) >>> 1;
    const bytes = new Uint8Array(length);
    for (let byte = 0; byte < length; byte++) {
      const at = from + 2 * byte;
      bytes[byte] = ((hexValue[digits[at] ?? 0] ?? 0) << 4) | (hexValue[digits[at + 1] ?? 0] ?? 0);
    }
    return {
      bytes,
      length,
      firstOf: (byte) => places[from + 2 * byte] ?? 0,
      lastOf: (byte) => places[from + 2 * byte + 1] ?? 0,
    };
  }

  private readBase64(offset: number): PlacedBytes {
    const { digits, places, size } = this;
    const length = Math.floor(((size - offset) * 3) / 4);
    const bytes = new Uint8Array(length + 2);
    for (let at = offset, byte = 0; at < size; at += 4, byte += 3) {
      const group =
        (valueAt(digits, size, at) << 18) |
        (valueAt(digits, size, at + 1) << 12) |
        (valueAt(digits, size, at + 2) << 6) |
        valueAt(digits, size, at + 3);
      bytes[byte] = group >>> 16;
      bytes[byte + 1] = group >>> 8;
      bytes[byte + 2] = group;
    }
    return {
      bytes,
      length,
      firstOf: (byte) => places[offset + 4 * Math.floor(byte / 3)] ?? 0,
      lastOf: (byte) => places[Math.min(size - 1, offset + 4 * Math.floor(byte / 3) + 3)] ?? 0,
    };
  }
}

function valueAt(digits: Uint8Array, size: number, at: number): number {
  return at < size ? (base64Value[digits[at] ?? 0] ?? 0) : 0;
}

function skipAllBytes(bytes: Uint8Array, length: number, from: number, members: Uint8Array): number {
  let index = from;
  while (index < length && members[bytes[index] ?? 0] === 1) index++;
  return index;
}
