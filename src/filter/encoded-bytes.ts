import type { DerivedText } from './source-map.js';

/** Bytes that a stretch of a text stands for. */
export interface PlacedBytes {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** The first and the last character of the source that a byte was made of, as indexes. */
  firstOf(byte: number): number;
  lastOf(byte: number): number;
}

/** The shortest credential worth finding. */
const MIN_TEXT = 16;
const NUL = 0;
const SPACE = 32;
const TILDE = 126;
const LINE_FEED = 10;
const FIRST_CONTINUATION = 0x80;
const FIRST_LEAD = 0xc2;
const LAST_LEAD = 0xf4;
const CONTINUATION_BITS = 6;
const CONTINUATION_MASK = 0x3f;

/** Whether there is a stretch of UTF-8 or UTF-16 text as long as the shortest credential: random bytes hold none. */
export function holdsText(bytes: Uint8Array, length: number): boolean {
  let characters = 0;
  let missing = 0;
  for (let index = 0; index < length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte >= SPACE && byte <= TILDE) {
      characters = missing === 0 ? characters + 1 : 1;
      missing = 0;
    } else if (byte === NUL) {
      continue;
    } else if (byte < FIRST_CONTINUATION) {
      characters = 0;
      missing = 0;
    } else if (missing > 0 && byte < FIRST_LEAD) {
      if (--missing === 0) characters++;
    } else {
      if (missing > 0) characters = 0;
      missing = trailingBytes(byte);
      if (missing === 0) characters = 0;
    }
    if (characters === MIN_TEXT) return true;
  }
  return false;
}

/**
 * Adds what the bytes say as UTF-8 to the text; what is none stays a character a byte. Where there are NUL bytes, as in
 * UTF-16, once more without them.
 */
export function writeBytes(text: DerivedText, placed: PlacedBytes): void {
  const { bytes, length } = placed;
  if (length === 0) return;
  writeUtf8(text, placed, false);
  if (bytes.subarray(0, length).includes(NUL)) {
    text.addCode(placed.firstOf(length - 1), placed.lastOf(length - 1) + 1, LINE_FEED);
    writeUtf8(text, placed, true);
  }
}

function writeUtf8(text: DerivedText, { bytes, length, firstOf, lastOf }: PlacedBytes, dropNul: boolean): void {
  for (let index = 0; index < length; ) {
    const byte = bytes[index] ?? 0;
    const size = 1 + (byte < FIRST_LEAD ? 0 : continuationsAt(bytes, length, index));
    if (byte !== NUL || !dropNul) {
      text.addCode(firstOf(index), lastOf(index + size - 1) + 1, size === 1 ? byte : readCode(bytes, index, size));
    }
    index += size;
  }
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
    const byte = index + next < length ? (bytes[index + next] ?? 0) : 0;
    if (byte < FIRST_CONTINUATION || byte >= 0xc0) return 0;
  }
  return readCode(bytes, index, count + 1) <= 0x10ffff ? count : 0;
}

/** The character that so many bytes of UTF-8 write. */
export function readCode(bytes: Uint8Array, index: number, size: number): number {
  const lead = bytes[index] ?? 0;
  let code = size === 1 ? lead : lead & (2 ** (7 - size) - 1);
  for (let next = 1; next < size; next++) {
    code = (code << CONTINUATION_BITS) | ((bytes[index + next] ?? 0) & CONTINUATION_MASK);
  }
  return code;
}
