import { hexDigitOf, holdsText, type PlacedBytes, writeBytes } from './encoded-bytes.js';
import { ALPHANUMERICS, CharacterSet, DIGITS } from './engine/character-set.js';
import type { ScanBudget } from './engine/scan-budget.js';
import type { ScanText } from './engine/scan-text.js';
import * as cost from './engine/step-costs.js';
import { DerivedText } from './source-map.js';

/** Sixteen bytes of two digits with something between: `67 68 70`, `67:68:70`, `0x67, 0x68`. */
const MIN_BYTES = 16;
const MIN_CHARACTERS = 3 * MIN_BYTES - 1;
const MAX_BETWEEN = 4;
const BYTE_DIGITS = 2;
const hexDigits = DIGITS.union(CharacterSet.of('abcdefABCDEF'));
const between = CharacterSet.of('xX0 :,-\t\r\n');
const allowed = membersOf(hexDigits.union(between));

function membersOf(set: CharacterSet): Uint8Array {
  const members = new Uint8Array(2 ** 16);
  members.set(set.ascii);
  return members;
}

/** What a run is read into before anything is known of it: used by one run after the other, never longer than one. */
let bytes = new Uint8Array(256);
let places = new Int32Array(256);

/** The text with what bytes in hexadecimal with something between them stand for; null where there are none. */
export function decodeSpacedHex(source: ScanText, budget: ScanBudget): DerivedText | null {
  const { units, length } = source;
  let derived: DerivedText | null = null;
  for (let start = findStretch(units, length, 0); start < length; ) {
    let end = start;
    while (end < length && allowed[units[end] ?? 0] === 1) end++;
    budget.spend(cost.SPACED * (end - start));
    for (let at = start; at + MIN_CHARACTERS <= end; ) {
      if (!isByte(units, length, at)) {
        at++;
        continue;
      }
      const size = readBytes(units, length, at, end);
      const runEnd = (places[size - 1] ?? 0) + BYTE_DIGITS;
      if (size >= MIN_BYTES && holdsText(bytes, size)) {
        derived ??= new DerivedText(source);
        derived.open(at);
        writeBytes(derived, place(size));
        derived.close(runEnd);
      }
      at = runEnd;
    }
    start = findStretch(units, length, end);
  }
  return derived;
}

/** The bytes just read; good until others are. */
function place(size: number): PlacedBytes {
  return {
    bytes,
    length: size,
    perGroup: 1,
    perSource: 0,
    firstOf: (byte) => places[byte] ?? 0,
    lastOf: (byte) => (places[byte] ?? 0) + BYTE_DIGITS - 1,
  };
}

function findStretch(units: Uint16Array, length: number, from: number): number {
  let start = from;
  while (start + MIN_CHARACTERS <= length) {
    let at = start + MIN_CHARACTERS - 1;
    while (at >= start && allowed[units[at] ?? 0] === 1) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return length;
}

/** Reads the bytes written from `from` on, each by itself, up to where something else stands between two; returns how many. */
function readBytes(units: Uint16Array, length: number, from: number, end: number): number {
  let size = 0;
  let at = from;
  while (isByte(units, length, at)) {
    if (size === bytes.length) growTo(2 * size);
    bytes[size] = (hexDigitOf(units[at] as number) << 4) | hexDigitOf(units[at + 1] as number);
    places[size++] = at;
    const next = at + BYTE_DIGITS;
    at = next;
    while (at < end && at - next <= MAX_BETWEEN && !(at > next && isByte(units, length, at))) at++;
    if (at - next > MAX_BETWEEN) break;
  }
  return size;
}

function growTo(size: number): void {
  const known = { bytes, places };
  bytes = new Uint8Array(size);
  places = new Int32Array(size);
  bytes.set(known.bytes);
  places.set(known.places);
}

/** Two digits with no letter or digit beside them, but for the `0x` of a number. */
function isByte(units: Uint16Array, length: number, at: number): boolean {
  if (at + BYTE_DIGITS > length) return false;
  if (!hexDigits.has(units[at] ?? 0) || !hexDigits.has(units[at + 1] ?? 0)) return false;
  if (at + BYTE_DIGITS < length && ALPHANUMERICS.has(units[at + BYTE_DIGITS] ?? 0)) return false;
  const before = at > 0 ? (units[at - 1] ?? 0) : 0;
  return !ALPHANUMERICS.has(before) || ((before | 32) === 120 && units[at - 2] === 48);
}
