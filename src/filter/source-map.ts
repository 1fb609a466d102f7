import type { TextRange } from '../domain/detector.js';
import { PADDING, ScanText, takeUnits } from './engine/scan-text.js';

/** Where the characters of a derived text came from. */
export interface SourceMap {
  /** The source's stretch that became the derived text from `start` to `end`; never empty for a non-empty stretch. */
  toSource(start: number, end: number): TextRange;
}

/** The derived text is the source. */
export const identityMap: SourceMap = { toSource: (start, end) => ({ start, end }) };

/** First to `inner`'s source, then to `outer`'s. */
export function chainMaps(outer: SourceMap, inner: SourceMap): SourceMap {
  if (outer === identityMap) return inner;
  return {
    toSource: (start, end) => {
      const middle = inner.toSource(start, end);
      return outer.toSource(middle.start, middle.end);
    },
  };
}

/**
 * What is remembered of a replacement: where it begins and ends in the derived text and in the source; then, where it is made
 * of groups, how many characters of the derived text and of the source are one.
 */
const NUMBERS_PER_REPLACEMENT = 6;
const FIRST_ASTRAL = 0x10000;
const HIGH_SURROGATE = 0xd800;
const LOW_SURROGATE = 0xdc00;
const SURROGATE_BITS = 10;
const SURROGATE_MASK = 0x3ff;
/** From so many units on it pays to have them copied at once. */
const LONG_COPY = 128;
/** Room for replacements that nobody reads any more, for the next text: to ask for it anew costs more than to use it. */
const kept: Int32Array[] = [];
const NOTHING = new Int32Array(0);
const MAX_KEPT = 4;
const SMALLEST_KEPT = 256 * NUMBERS_PER_REPLACEMENT;
const LARGEST_KEPT = 131_072 * NUMBERS_PER_REPLACEMENT;
/** The derived text is touched or not in stretches of `2 ** TOUCHED_BITS` units. */
const TOUCHED_BITS = 6;

/**
 * Builds a derived text from stretches that were kept and stretches that were replaced. Only replacements that change
 * the length are remembered.
 */
export class DerivedText implements SourceMap {
  private units: Uint16Array;
  private derivedLength = 0;
  private sourceTo = 0;
  private replacements = kept.pop() ?? new Int32Array(SMALLEST_KEPT);
  private count = 0;
  private touched: Uint8Array;
  private replaced = false;

  constructor(private readonly source: ScanText) {
    this.units = takeUnits(source.length);
    this.touched = new Uint8Array((source.length >>> TOUCHED_BITS) + 1);
  }

  /** False where the derived text is the source. */
  get changed(): boolean {
    return this.replaced;
  }

  /** How many replacements are remembered. */
  get replacedCount(): number {
    return this.count;
  }

  /** Whether anything in the derived text from `start` to `end` may be other than it was; beside a change counts as well. */
  isTouched(start: number, end: number): boolean {
    const last = Math.min(end >>> TOUCHED_BITS, this.touched.length - 1);
    for (let block = Math.max(0, start - 1) >>> TOUCHED_BITS; block <= last; block++) {
      if (this.touched[block] === 1) return true;
    }
    return false;
  }

  /** Everything in the finished text that lies within `near` of a change, in order. */
  stretchesNear(near: number): TextRange[] {
    const stretches: TextRange[] = [];
    const { touched, derivedLength } = this;
    for (let block = touched.indexOf(1); block !== -1; block = touched.indexOf(1, block + 1)) {
      const start = Math.max(0, (block << TOUCHED_BITS) - near);
      const end = Math.min(derivedLength, ((block + 1) << TOUCHED_BITS) + near);
      const last = stretches.at(-1);
      if (last && start <= last.end) stretches[stretches.length - 1] = { start: last.start, end };
      else if (start < end) stretches.push({ start, end });
    }
    return stretches;
  }

  /** Leaves out `source[start, end)`; what stands between this and the last replacement is kept. */
  remove(start: number, end: number): void {
    this.keepUntil(start);
    this.remember(start, end, 0);
    this.sourceTo = end;
  }

  /** Replaces `source[start, end)` with a text. */
  replace(start: number, end: number, replacement: string): void {
    this.keepUntil(start);
    if (replacement.length !== end - start || end - start > 1) this.remember(start, end, replacement.length);
    for (let index = 0; index < replacement.length; index++) this.push(replacement.charCodeAt(index));
    this.sourceTo = end;
  }

  /** Replaces `source[start, end)` with one character. */
  replaceCode(start: number, end: number, code: number): void {
    this.keepUntil(start);
    if (end - start === 1 && code < FIRST_ASTRAL) this.push(code);
    else this.addCode(start, end, code);
    this.sourceTo = end;
  }

  /** Keeps everything before `start`; what is added next stands in the place of what follows. */
  open(start: number): void {
    this.keepUntil(start);
  }

  /** Adds a character that `source[start, end)` stands for. Stretches may be named in any order, and more than once. */
  addCode(start: number, end: number, code: number): void {
    this.remember(start, end, code < FIRST_ASTRAL ? 1 : 2);
    if (code < FIRST_ASTRAL) {
      this.push(code);
    } else {
      this.push(HIGH_SURROGATE + ((code - FIRST_ASTRAL) >>> SURROGATE_BITS));
      this.push(LOW_SURROGATE + ((code - FIRST_ASTRAL) & SURROGATE_MASK));
    }
  }

  /**
   * Adds bytes of ASCII that `source[start, end)` stands for: every `perGroup` of them came from so many characters, one
   * group after the other.
   */
  addBytes(
    bytes: Uint8Array,
    from: number,
    to: number,
    start: number,
    end: number,
    perGroup: number,
    perSource: number,
  ): void {
    this.remember(start, end, to - from);
    this.replacements[this.count * NUMBERS_PER_REPLACEMENT - 2] = perGroup;
    this.replacements[this.count * NUMBERS_PER_REPLACEMENT - 1] = perSource;
    this.reserve(to - from);
    const { units } = this;
    let length = this.derivedLength;
    for (let index = from; index < to; index++) units[length++] = bytes[index] as number;
    this.touch(length - 1);
    this.touched.fill(1, this.derivedLength >>> TOUCHED_BITS, length >>> TOUCHED_BITS);
    this.derivedLength = length;
  }

  /** Ends what `open` began: the source goes on at `end`. */
  close(end: number): void {
    this.remember(this.sourceTo, end, 0);
    this.sourceTo = end;
  }

  finish(): ScanText {
    this.keepUntil(this.source.length);
    return new ScanText(this.units, this.derivedLength);
  }

  /** The way back is not to be asked for any more. */
  release(): void {
    const { replacements } = this;
    this.count = 0;
    this.replacements = NOTHING;
    if (kept.length < MAX_KEPT && replacements.length <= LARGEST_KEPT) kept.push(replacements);
  }

  toSource(start: number, end: number): TextRange {
    if (end <= start) return { start: this.sourceOf(start).start, end: this.sourceOf(start).start };
    return { start: this.sourceOf(start).start, end: this.sourceOf(end - 1).end };
  }

  private keepUntil(index: number): void {
    const from = this.sourceTo;
    if (index <= from) return;
    this.reserve(index - from);
    const { units } = this.source;
    if (index - from >= LONG_COPY) {
      this.units.set(units.subarray(from, index), this.derivedLength);
      this.derivedLength += index - from;
    } else {
      for (let at = from; at < index; at++) this.units[this.derivedLength++] = units[at] ?? 0;
    }
    this.sourceTo = index;
  }

  private push(unit: number): void {
    this.reserve(1);
    this.replaced = true;
    this.touch(this.derivedLength);
    this.units[this.derivedLength++] = unit;
  }

  private touch(index: number): void {
    const block = index >>> TOUCHED_BITS;
    if (block >= this.touched.length) {
      const larger = new Uint8Array(2 * (block + 1));
      larger.set(this.touched);
      this.touched = larger;
    }
    this.touched[block] = 1;
  }

  private remember(start: number, end: number, length: number): void {
    this.replaced = true;
    this.touch(this.derivedLength);
    const at = this.count * NUMBERS_PER_REPLACEMENT;
    if (at === this.replacements.length) {
      const larger = new Int32Array(2 * at);
      larger.set(this.replacements);
      this.replacements = larger;
    }
    this.replacements[at] = this.derivedLength;
    this.replacements[at + 1] = this.derivedLength + length;
    this.replacements[at + 2] = start;
    this.replacements[at + 3] = end;
    this.replacements[at + 4] = 0;
    this.count++;
  }

  /** Room for so many more units, and the padding of a text. */
  private reserve(length: number): void {
    if (this.derivedLength + length + PADDING <= this.units.length) return;
    const larger = takeUnits(2 * (this.derivedLength + length));
    larger.set(this.units.subarray(0, this.derivedLength));
    this.units = larger;
  }

  /** The source stretch of one derived character. */
  private sourceOf(index: number): TextRange {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.replacements[middle * NUMBERS_PER_REPLACEMENT] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return { start: index, end: index + 1 };
    const last = (low - 1) * NUMBERS_PER_REPLACEMENT;
    const derivedEnd = this.replacements[last + 1] ?? 0;
    const sourceEnd = this.replacements[last + 3] ?? 0;
    if (index < derivedEnd) return this.withinReplacement(last, index);
    const at = sourceEnd + index - derivedEnd;
    return { start: at, end: at + 1 };
  }

  private withinReplacement(at: number, index: number): TextRange {
    const start = this.replacements[at + 2] ?? 0;
    const end = this.replacements[at + 3] ?? 0;
    const perGroup = this.replacements[at + 4] ?? 0;
    if (perGroup === 0) return { start, end };
    const perSource = this.replacements[at + 5] ?? 0;
    const group = start + Math.floor((index - (this.replacements[at] ?? 0)) / perGroup) * perSource;
    return { start: group, end: Math.min(end, group + perSource) };
  }
}
