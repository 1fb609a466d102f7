const KEY_BITS = 18;
const KEY_MASK = 0x3ffff;
const KEY_BITS_PER_UNIT = 6;
/** Of a unit only these bits count: units that share them share their fate. */
const KEY_UNIT_MASK = 0x7f;
const KEY_BITS_PER_WORD = 5;
/** Keys of four units are asked seldom, and answer the better the more bits they are spread over. */
const LONGER_KEY_BITS = 20;
const LONGER_FACTOR = 0x9e3779b1;
const LONGER_SHIFT = 32 - LONGER_KEY_BITS;
/** The filter looks at so many units at once. */
const UNITS_PER_KEY = 3;
/** So far before where reading goes on lies the first unit of the earliest anchor that may have begun. */
export const REACH = UNITS_PER_KEY + 1;
/** So far behind a text's last unit reading has to go for the filter to see an anchor that begins there. */
export const READ_ON = 2;
/** An anchor that began further before the place where reading goes on is not seen from there. */
export const SEEN_BEFORE = 1;

/** How far a text was read. */
export interface Reading {
  /** The next unit to read. */
  index: number;
  /** The bits of all units read so far: more than seven where the text is not plain ASCII. */
  bits: number;
}

/** The beginning of a word as it may stand in a window: undefined where anything can. */
type Window = readonly (number | undefined)[];

/**
 * Tells of nearly every place in a text that no anchor begins there, by four UTF-16 units alone. A set of bits, one for each
 * key made of three units: small enough to stay in the processor's nearest cache. Only every second place is looked at, so
 * that each word is in the set twice: as it begins, and without its first unit.
 */
export class AnchorFilter {
  private readonly bits = new Int32Array(2 ** (KEY_BITS - KEY_BITS_PER_WORD));
  /** The same for four units, asked where three of them are an anchor's. */
  private readonly longer = new Int32Array(2 ** (LONGER_KEY_BITS - KEY_BITS_PER_WORD));

  /**
   * Reads on until an anchor may have begun `REACH` units ago or later; false where none does before the end. The innermost
   * loop of all: what it reads is known to be there, and its numbers stand in this file, so that they are compiled into it.
   */
  skip(reading: Reading, units: Uint16Array, end: number): boolean {
    const { bits, longer } = this;
    let { index, bits: seen } = reading;
    let key = index > 0 ? (units[index - 1] as number) & KEY_UNIT_MASK : 0;
    let mayBegin = 0;
    while (index < end) {
      const first = units[index] as number;
      const second = units[index + 1] as number;
      index += 2;
      seen |= first | second;
      key =
        ((key << (2 * KEY_BITS_PER_UNIT)) ^ ((first & KEY_UNIT_MASK) << KEY_BITS_PER_UNIT) ^ (second & KEY_UNIT_MASK)) &
        KEY_MASK;
      mayBegin = ((bits[key >>> KEY_BITS_PER_WORD] as number) >>> key) & 1;
      if (mayBegin === 0) continue;
      const next = longerKey(key, units[index] as number);
      mayBegin = ((longer[next >>> KEY_BITS_PER_WORD] as number) >>> next) & 1;
      if (mayBegin === 1) break;
    }
    reading.index = index;
    reading.bits = seen;
    return mayBegin === 1;
  }

  /** `anyCase`: the word also begins where it stands in other letters. */
  add(word: string, anyCase: boolean): void {
    for (const beginning of spellings(word.slice(0, UNITS_PER_KEY + 2), anyCase)) {
      const codes = beginning.split('').map((unit) => unit.charCodeAt(0));
      this.addWindow(codes);
      // What is shorter says too little without its first unit: it is looked for with the unit before it.
      this.addWindow(codes.length > UNITS_PER_KEY ? codes.slice(1) : [undefined, ...codes]);
    }
  }

  private addWindow(window: Window): void {
    for (const key of keysOf(window)) {
      setBit(this.bits, key);
      for (const unit of unitsAt(window, UNITS_PER_KEY)) setBit(this.longer, longerKey(key, unit));
    }
  }
}

function setBit(bits: Int32Array, key: number): void {
  const word = key >>> KEY_BITS_PER_WORD;
  bits[word] = (bits[word] ?? 0) | (1 << key);
}

function keysOf(window: Window): number[] {
  let keys = [0];
  for (let index = 0; index < UNITS_PER_KEY; index++) {
    const units = unitsAt(window, index);
    keys = keys.flatMap((key) => units.map((unit) => moveOn(key, unit)));
  }
  return keys;
}

const ANY_UNIT = Array.from({ length: KEY_UNIT_MASK + 1 }, (_, unit) => unit);

/** Before a word and behind it anything can stand. */
function unitsAt(window: Window, index: number): readonly number[] {
  const unit = window[index];
  return unit === undefined ? ANY_UNIT : [unit];
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
  return Math.imul((key << 7) | (unit & KEY_UNIT_MASK), LONGER_FACTOR) >>> LONGER_SHIFT;
}
