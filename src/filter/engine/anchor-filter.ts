import { traitsOfUnit } from './scan-text.js';

const KEY_BITS = 18;
const KEY_MASK = 0x3ffff;
const KEY_BITS_PER_UNIT = 6;
/** Of a unit only these bits count: units that share them share their fate. */
const KEY_UNIT_MASK = 0x7f;
const KEY_BITS_PER_WORD = 5;
/** Spreads keys of four units over as many bits as those of three have. */
const LONGER_FACTOR = 0x2f1;
/** The filter looks at so many units at once. */
export const UNITS_PER_KEY = 3;

/** How far a text was read. */
export interface Reading {
  /** The next unit to read. */
  index: number;
  /** What was met beside plain ASCII: bits of `scan-text.ts`. */
  traits: number;
}

/**
 * Tells of nearly every place in a text that no anchor begins there, by three UTF-16 units alone. A set of bits, one for
 * each key made of three units: small enough to stay in the processor's nearest cache.
 */
export class AnchorFilter {
  private readonly bits = new Int32Array(2 ** (KEY_BITS - KEY_BITS_PER_WORD));
  /** The same for four units, asked where three of them are an anchor's. */
  private readonly longer = new Int32Array(2 ** (KEY_BITS - KEY_BITS_PER_WORD));

  /**
   * Reads on until an anchor may have begun with the last three units; false where none does before the end. The innermost
   * loop of all: what it reads is known to be there, and its numbers stand in this file, so that they are compiled into it.
   */
  skip(reading: Reading, units: Uint16Array, end: number): boolean {
    const { bits, longer } = this;
    const traitsOf = traitsOfUnit;
    let { index, traits } = reading;
    let key = index < 2 ? 0 : (units[index - 2] ?? 0) & KEY_UNIT_MASK;
    if (index > 0) key = moveOn(key, units[index - 1] ?? 0);
    let mayBegin = 0;
    while (index < end) {
      const unit = units[index++] as number;
      traits |= traitsOf[unit] as number;
      key = ((key << KEY_BITS_PER_UNIT) ^ (unit & KEY_UNIT_MASK)) & KEY_MASK;
      mayBegin = ((bits[key >>> KEY_BITS_PER_WORD] as number) >>> key) & 1;
      if (mayBegin === 0) continue;
      const next = longerKey(key, units[index] as number);
      mayBegin = ((longer[next >>> KEY_BITS_PER_WORD] as number) >>> next) & 1;
      if (mayBegin === 1) break;
    }
    reading.index = index;
    reading.traits = traits;
    return mayBegin === 1;
  }

  /** `anyCase`: the word also begins where it stands in other letters. */
  add(word: string, anyCase: boolean): void {
    for (const beginning of spellings(word.slice(0, UNITS_PER_KEY + 1), anyCase)) {
      const codes = beginning.split('').map((unit) => unit.charCodeAt(0));
      for (const key of keysOf(codes.slice(0, UNITS_PER_KEY))) {
        setBit(this.bits, key);
        const fourth = codes[UNITS_PER_KEY];
        if (fourth !== undefined) setBit(this.longer, longerKey(key, fourth));
        else for (let unit = 0; unit <= KEY_UNIT_MASK; unit++) setBit(this.longer, longerKey(key, unit));
      }
    }
  }
}

function setBit(bits: Int32Array, key: number): void {
  const word = key >>> KEY_BITS_PER_WORD;
  bits[word] = (bits[word] ?? 0) | (1 << key);
}

/** The keys of all that begins so: behind a shorter word anything can follow. */
function keysOf(codes: readonly number[]): number[] {
  let keys = [0];
  for (let index = 0; index < UNITS_PER_KEY; index++) {
    const code = codes[index];
    const units = code === undefined ? Array.from({ length: KEY_UNIT_MASK + 1 }, (_, unit) => unit) : [code];
    keys = keys.flatMap((key) => units.map((unit) => moveOn(key, unit)));
  }
  return keys;
}

function spellings(text: string, anyCase: boolean): string[] {
  if (!anyCase) return [text];
  let found = [''];
  for (const character of text.split('')) {
    const forms = new Set([character, character.toLowerCase(), character.toUpperCase()].filter(isOneUnit));
    found = found.flatMap((beginning) => [...forms].map((form) => beginning + form));
  }
  return found;
}

function isOneUnit(text: string): boolean {
  return text.length === 1;
}

/** The key of what was read so far, moved on by one unit. */
function moveOn(key: number, unit: number): number {
  return ((key << KEY_BITS_PER_UNIT) ^ (unit & KEY_UNIT_MASK)) & KEY_MASK;
}

/** The key of four units, made of that of three. */
function longerKey(key: number, unit: number): number {
  return (moveOn(key, unit) ^ (key * LONGER_FACTOR)) & KEY_MASK;
}
