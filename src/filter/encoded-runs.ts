import { holdsText, type PlacedBytes, writeBytes } from './encoded-bytes.js';
import { mayHoldText } from './encoded-screen.js';
import { ALPHANUMERICS, CharacterSet } from './engine/character-set.js';
import type { ScanBudget } from './engine/scan-budget.js';
import type { ScanText } from './engine/scan-text.js';
import * as cost from './engine/step-costs.js';
import { DerivedText } from './source-map.js';

/** Base64 of the shortest credential worth finding (16 characters). */
const MIN_BASE64_RUN = 22;
const MIN_HEX_RUN = 40;
/** Lines as mail, PEM and YAML wrap them are one run, also where they are indented or quoted. */
const MIN_WRAPPED_LINE = 16;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const EQUALS_SIGN = 61;
const MAX_PADDING = 2;
/** A run's groups may begin anywhere in it: a path can stand before it, and a window begins in its middle. */
const BASE64_ALIGNMENTS = 4;
const HEX_ALIGNMENTS = 2;

const BASE64_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** What each UTF-16 unit stands for as a digit of base64 of both kinds. */
const NO_DIGIT = 255;
const base64Value = new Uint8Array(2 ** 16).fill(NO_DIGIT);
[...BASE64_LETTERS].forEach((letter, value) => {
  base64Value[letter.charCodeAt(0)] = value;
});
base64Value['-'.charCodeAt(0)] = 62;
base64Value['_'.charCodeAt(0)] = 63;
/** What a digit of base64 stands for as one of hexadecimal. */
const hexValue = new Uint8Array(BASE64_LETTERS.length).fill(NO_DIGIT);
[...'0123456789abcdef'].forEach((digit, value) => {
  hexValue[BASE64_LETTERS.indexOf(digit)] = value;
  hexValue[BASE64_LETTERS.indexOf(digit.toUpperCase())] = value;
});

const BASE64 = membersOf(ALPHANUMERICS.union(CharacterSet.of('+/-_')));
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
  const decoded = new DecodedRuns(source);
  let start = findRun(units, length, 0);
  while (start < length) {
    const end = endOfRun(units, length, start);
    if (end - start >= MIN_BASE64_RUN && isNew(start, end)) {
      const replacements = decoded.addRun(start, end);
      budget.spend(cost.RUN + cost.RUN_CHARACTER * (end - start) + cost.REPLACEMENT * replacements);
    }
    if (budget.passedSlice()) yield;
    start = findRun(units, length, end);
  }
  return decoded.text;
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

/** What a run is read into before anything is known of it: used by one run after the other, never longer than one. */
let digits = new Uint8Array(1_024);
let places = new Int32Array(1_024);
let bytes = new Uint8Array(1_024);

/** Takes the digits of a run, as what they stand for in base64, without what stands between its lines; returns how many there are. */
function readDigits(units: Uint16Array, start: number, end: number): number {
  if (end - start + 4 > digits.length) {
    digits = new Uint8Array(2 * (end - start + 4));
    places = new Int32Array(2 * (end - start + 4));
    bytes = new Uint8Array(2 * (end - start + 4));
  }
  // As constants of the function they are read without a look whether they have changed; here and below.
  const digitsOfRun = digits;
  const placesOfRun = places;
  let size = 0;
  for (let index = start; index < end; index++) {
    const digit = base64Value[units[index] as number] as number;
    if (digit === NO_DIGIT) continue;
    digitsOfRun[size] = digit;
    placesOfRun[size++] = index;
  }
  return size;
}

/** Puts what runs stand for in their place. What is read of one is forgotten with the next: thousands of them leave no garbage. */
class DecodedRuns {
  /** Null while no run stood for text. */
  text: DerivedText | null = null;
  private readonly read = new ReadBytes();

  constructor(private readonly source: ScanText) {}

  /** The texts that a run stands for, in every alignment and both alphabets, one after the other; returns how many replacements they are. */
  addRun(start: number, end: number): number {
    const before = this.text?.replacedCount ?? 0;
    const { units, length } = this.source;
    const size = readDigits(units, start, end);
    const runEnd = endOfPadding(units, length, end);
    let isFirst = true;
    const add = (byteCount: number, from: number, perGroup: number, digitsPerGroup: number): void => {
      if (!holdsText(bytes, byteCount)) return;
      this.text ??= new DerivedText(this.source);
      if (isFirst) this.text.open(start);
      else this.text.addCode(start, runEnd, LINE_FEED);
      isFirst = false;
      writeBytes(this.text, this.read.place(byteCount, size, from, perGroup, digitsPerGroup));
    };
    readTexts(size, add);
    if (!isFirst) this.text?.close(runEnd);
    return (this.text?.replacedCount ?? 0) - before;
  }
}

/** Reads a run of so many digits in every alignment and both alphabets, and tells of each: it is good until the next. */
function readTexts(
  size: number,
  add: (byteCount: number, from: number, perGroup: number, digitsPerGroup: number) => void,
): void {
  let wholeIsHex = false;
  for (let from = findHex(0, size); from < size; ) {
    const to = endOfHex(from, size);
    wholeIsHex = to - from === size;
    for (let offset = 0; offset < HEX_ALIGNMENTS; offset++) add(readHex(from + offset, to), from + offset, 1, 2);
    from = findHex(to, size);
  }
  if (wholeIsHex) return;
  digits.fill(0, size, size + 3);
  for (let offset = 0; offset < BASE64_ALIGNMENTS; offset++) {
    if (mayHoldText(digits, offset, size)) add(readBase64(offset, size), offset, 3, 4);
  }
}

/** The bytes just read, with the places of the digits they were read from; good until others are read. */
class ReadBytes implements PlacedBytes {
  bytes = bytes;
  length = 0;
  perGroup = 1;
  perSource = 0;
  private last = 0;
  private from = 0;
  private digitsPerGroup = 1;

  place(length: number, size: number, from: number, perGroup: number, digitsPerGroup: number): this {
    const isTogether = (places[size - 1] ?? 0) - (places[0] ?? 0) === size - 1;
    this.bytes = bytes;
    this.length = length;
    this.perGroup = perGroup;
    this.perSource = isTogether ? digitsPerGroup : 0;
    this.last = size - 1;
    this.from = from;
    this.digitsPerGroup = digitsPerGroup;
    return this;
  }

  firstOf(byte: number): number {
    return places[this.from + this.digitsPerGroup * Math.floor(byte / this.perGroup)] ?? 0;
  }

  lastOf(byte: number): number {
    const next = this.from + this.digitsPerGroup * (Math.floor(byte / this.perGroup) + 1);
    return places[Math.min(next - 1, this.last)] ?? 0;
  }
}

function findHex(from: number, size: number): number {
  const digitsOfRun = digits;
  let start = from;
  while (start + MIN_HEX_RUN <= size) {
    let at = start + MIN_HEX_RUN - 1;
    while (at >= start && hexValue[digitsOfRun[at] as number] !== NO_DIGIT) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return size;
}

function endOfHex(from: number, size: number): number {
  let index = from;
  while (index < size && hexValue[digits[index] as number] !== NO_DIGIT) index++;
  return index;
}

/** Reads digits as bytes in hexadecimal; returns how many. */
function readHex(from: number, to: number): number {
  const length = (to - from) >>> 1;
  for (let byte = 0, at = from; byte < length; byte++, at += 2) {
    const high = hexValue[digits[at] as number] as number;
    bytes[byte] = (high << 4) | (hexValue[digits[at + 1] as number] as number);
  }
  return length;
}

/** Reads digits as bytes in base64; returns how many. Behind the last digit there are zeros. */
function readBase64(offset: number, size: number): number {
  const digitsOfRun = digits;
  const read = bytes;
  let byte = 0;
  for (let at = offset; at < size; at += 4) {
    const second = digitsOfRun[at + 1] as number;
    const third = digitsOfRun[at + 2] as number;
    read[byte] = ((digitsOfRun[at] as number) << 2) | (second >>> 4);
    read[byte + 1] = (second << 4) | (third >>> 2);
    read[byte + 2] = (third << 6) | (digitsOfRun[at + 3] as number);
    byte += 3;
  }
  return Math.floor(((size - offset) * 3) / 4);
}
