/** A set of ASCII characters, and whether characters beyond ASCII belong to it. Immutable. */
export class CharacterSet {
  private constructor(
    /** One byte per ASCII code, 1 where it belongs to the set. */
    readonly ascii: Uint8Array,
    readonly beyondAscii: boolean,
  ) {}

  static readonly none = new CharacterSet(new Uint8Array(128), false);
  static readonly all = new CharacterSet(new Uint8Array(128).fill(1), true);

  static of(characters: string): CharacterSet {
    const ascii = new Uint8Array(128);
    let beyondAscii = false;
    for (let index = 0; index < characters.length; index++) {
      const code = characters.charCodeAt(index);
      if (code < 128) ascii[code] = 1;
      else beyondAscii = true;
    }
    return new CharacterSet(ascii, beyondAscii);
  }

  static range(from: number, to: number): CharacterSet {
    const ascii = new Uint8Array(128);
    for (let code = from; code <= to && code < 128; code++) ascii[code] = 1;
    return new CharacterSet(ascii, to >= 128);
  }

  /** Whether a UTF-16 code unit belongs to the set. */
  has(code: number): boolean {
    return code < 128 ? this.ascii[code] === 1 : this.beyondAscii;
  }

  get size(): number {
    return this.ascii.reduce((sum, bit) => sum + bit, 0);
  }

  union(other: CharacterSet): CharacterSet {
    return this.combine(other, (first, second) => first | second, this.beyondAscii || other.beyondAscii);
  }

  minus(other: CharacterSet): CharacterSet {
    return this.combine(other, (first, second) => first & ~second, this.beyondAscii && !other.beyondAscii);
  }

  /** Everything else. Beyond ASCII nothing is told apart, so that both a set and its complement may hold some. */
  complement(): CharacterSet {
    return new CharacterSet(CharacterSet.all.minus(this).ascii, true);
  }

  overlaps(other: CharacterSet): boolean {
    if (this.beyondAscii && other.beyondAscii) return true;
    return this.ascii.some((bit, code) => bit === 1 && other.ascii[code] === 1);
  }

  /** The set with both cases of every letter in it. */
  ignoringCase(): CharacterSet {
    const ascii = Uint8Array.from(this.ascii);
    for (let upper = 65; upper <= 90; upper++) {
      const either = (this.ascii[upper] ?? 0) | (this.ascii[upper + 32] ?? 0);
      ascii[upper] = either;
      ascii[upper + 32] = either;
    }
    return new CharacterSet(ascii, this.beyondAscii);
  }

  private combine(
    other: CharacterSet,
    join: (first: number, second: number) => number,
    beyondAscii: boolean,
  ): CharacterSet {
    return new CharacterSet(
      this.ascii.map((bit, code) => join(bit, other.ascii[code] ?? 0)),
      beyondAscii,
    );
  }
}

const letters = CharacterSet.range(65, 90).union(CharacterSet.range(97, 122));
export const DIGITS = CharacterSet.range(48, 57);
export const ALPHANUMERICS = letters.union(DIGITS);
/** `\w` */
export const WORD = ALPHANUMERICS.union(CharacterSet.of('_'));
/** What stands between the digits of one number: of cards, telephones, ids. */
export const NUMBER_SEPARATORS = CharacterSet.of(' .()/-');
/** `\s` */
export const BLANKS = CharacterSet.of(' \t\n\r\f\v\u00a0');
