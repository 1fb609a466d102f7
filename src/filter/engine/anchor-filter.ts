import { traitsOfUnit } from './scan-text.js';

const KEY_BITS = 18;
const KEY_MASK = 0x3ffff;
const KEY_BITS_PER_UNIT = 6;
/** Of a unit only these bits count: units that share them share their fate. */
const KEY_UNIT_MASK = 0x7f;
const KEY_BITS_PER_WORD = 5;
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

  /**
   * Reads on until an anchor may have begun with the last three units; false where none does before the end. The innermost
   * loop of all: what it reads is known to be there, and its numbers stand in this file, so that they are compiled into it.
   */
  skip(reading: Reading, units: Uint16Array, end: number): boolean {
    const { bits } = this;
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
      if (mayBegin === 1) break;
    }
    reading.index = index;
    reading.traits = traits;
    return mayBegin === 1;
  }

  /** `anyCase`: the word also begins where it stands in other letters. */
  add(word: string, anyCase: boolean): void {
    for (const beginning of spellings(word.slice(0, UNITS_PER_KEY), anyCase)) {
      let key = 0;
      for (let index = 0; index < beginning.length; index++) key = moveOn(key, beginning.charCodeAt(index));
      this.addAll(key, UNITS_PER_KEY - beginning.length);
    }
  }

  /** Behind a shorter word anything can follow. */
  private addAll(key: number, open: number): void {
    if (open === 0) {
      const word = key >>> KEY_BITS_PER_WORD;
      this.bits[word] = (this.bits[word] ?? 0) | (1 << key);
      return;
    }
    for (let unit = 0; unit <= KEY_UNIT_MASK; unit++) this.addAll(moveOn(key, unit), open - 1);
  }
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
