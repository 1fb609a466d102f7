/** A stretch of a text, in UTF-16 indexes; `end` is exclusive. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** Where the characters of a derived text came from. */
export interface SourceMap {
  /** The source's stretch that became the derived text from `start` to `end`; never empty for a non-empty stretch. */
  toSource(start: number, end: number): TextRange;
}

const BYTES_PER_UNIT = 2;

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

/** Every `unit` derived characters came from `sourceUnit` source characters, beginning at `origin`. */
export function blockMap(origin: number, unit: number, sourceUnit: number): SourceMap {
  return {
    toSource: (start, end) => ({
      start: origin + Math.floor(start / unit) * sourceUnit,
      end: origin + Math.ceil(end / unit) * sourceUnit,
    }),
  };
}

/**
 * Builds a derived text from stretches that were kept and stretches that were replaced. Only replacements that change
 * the length are remembered.
 */
export class DerivedText implements SourceMap {
  private units: Uint16Array;
  private derivedLength = 0;
  private sourceTo = 0;
  private readonly derivedStarts: number[] = [];
  private readonly derivedEnds: number[] = [];
  private readonly sourceStarts: number[] = [];
  private readonly sourceEnds: number[] = [];
  private replaced = false;

  constructor(private readonly source: string) {
    this.units = new Uint16Array(source.length);
  }

  /** False where the derived text is the source. */
  get changed(): boolean {
    return this.replaced;
  }

  /** Replaces `source[start, end)`; what stands between this and the last replacement is kept. */
  replace(start: number, end: number, replacement: string): void {
    this.keepUntil(start);
    this.replaced = true;
    if (replacement.length !== end - start || end - start > 1) {
      this.derivedStarts.push(this.derivedLength);
      this.derivedEnds.push(this.derivedLength + replacement.length);
      this.sourceStarts.push(start);
      this.sourceEnds.push(end);
    }
    this.append(replacement, 0, replacement.length);
    this.sourceTo = end;
  }

  /** The same for one character that becomes another, both in the basic plane. */
  replaceUnit(index: number, unit: number): void {
    this.keepUntil(index);
    this.replaced = true;
    this.reserve(1);
    this.units[this.derivedLength++] = unit;
    this.sourceTo = index + 1;
  }

  finish(): string {
    this.keepUntil(this.source.length);
    return Buffer.from(this.units.buffer, 0, this.derivedLength * BYTES_PER_UNIT).toString('utf16le');
  }

  toSource(start: number, end: number): TextRange {
    if (end <= start) return { start: this.sourceOf(start).start, end: this.sourceOf(start).start };
    return { start: this.sourceOf(start).start, end: this.sourceOf(end - 1).end };
  }

  private keepUntil(index: number): void {
    if (index <= this.sourceTo) return;
    this.append(this.source, this.sourceTo, index);
    this.sourceTo = index;
  }

  private append(text: string, from: number, to: number): void {
    this.reserve(to - from);
    for (let index = from; index < to; index++) this.units[this.derivedLength++] = text.charCodeAt(index);
  }

  private reserve(length: number): void {
    if (this.derivedLength + length <= this.units.length) return;
    const larger = new Uint16Array(2 * (this.derivedLength + length));
    larger.set(this.units);
    this.units = larger;
  }

  /** The source stretch of one derived character. */
  private sourceOf(index: number): TextRange {
    let low = 0;
    let high = this.derivedStarts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.derivedStarts[middle] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    const last = low - 1;
    const derivedEnd = this.derivedEnds[last];
    if (derivedEnd === undefined) return { start: index, end: index + 1 };
    const sourceEnd = this.sourceEnds[last] ?? 0;
    if (index < derivedEnd) return { start: this.sourceStarts[last] ?? 0, end: sourceEnd };
    const at = sourceEnd + index - derivedEnd;
    return { start: at, end: at + 1 };
  }
}
