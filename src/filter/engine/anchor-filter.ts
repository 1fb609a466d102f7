const KEY_BITS = 18;
export const KEY_MASK = 2 ** KEY_BITS - 1;
export const KEY_BITS_PER_UNIT = 6;
/** Of a unit only these bits count: units that share them share their fate. */
export const KEY_UNIT_MASK = 0x7f;
export const KEY_BITS_PER_WORD = 5;
const UNITS_PER_KEY = 3;

/**
 * Tells of nearly every place in a text that no anchor begins there, by three UTF-16 units alone. A set of bits, one for
 * each key made of three units: small enough to stay in the processor's nearest cache.
 */
export class AnchorFilter {
  /** The bit of a key is `bits[key >>> KEY_BITS_PER_WORD] >>> key & 1`. */
  readonly bits = new Int32Array(2 ** (KEY_BITS - KEY_BITS_PER_WORD));

  /** The key of what was read so far, moved on by one unit. The scanner's inner loop has the same written out. */
  static moveOn(key: number, unit: number): number {
    return ((key << KEY_BITS_PER_UNIT) ^ (unit & KEY_UNIT_MASK)) & KEY_MASK;
  }

  /** `anyCase`: the word also begins where it stands in other letters. */
  add(word: string, anyCase: boolean): void {
    for (const beginning of spellings(word.slice(0, UNITS_PER_KEY), anyCase)) {
      let key = 0;
      for (let index = 0; index < beginning.length; index++)
        key = AnchorFilter.moveOn(key, beginning.charCodeAt(index));
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
    for (let unit = 0; unit <= KEY_UNIT_MASK; unit++) this.addAll(AnchorFilter.moveOn(key, unit), open - 1);
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
