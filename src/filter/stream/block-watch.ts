import { ALPHANUMERICS, CharacterSet } from '../engine/character-set.js';
import { measureEntropy } from '../engine/validators.js';
import type { StreamMatch } from './stream-match.js';
import type { StreamRule } from './stream-rule.js';

const ENCODED = ALPHANUMERICS.union(CharacterSet.of('+/='));
/** What stands between the lines of a key in source code, JSON and quoted mail. */
const BETWEEN_LINES = ENCODED.union(CharacterSet.of(' \t\r\n\\"\'`,;|>*'));
const BETWEEN_IN_STRING = BETWEEN_LINES.minus(CharacterSet.of('"'));
/** What can stand between a line's end and the characters of the next line. */
const LINE_BEGINNING = CharacterSet.of(' \t"\'`,;|>*+');
/** The shortest line that can be a line of a key and is no word of a sentence. */
const MIN_ENCODED_LINE = 40;
const MAX_LINE_BEGINNING = 32;
const CLOSING_REST = /^ [A-Z0-9 ]{1,40}-----/i;
const MAX_CLOSING_REST = 48;
const CLOSING_REST_BEGINNING = /^(?: [A-Z0-9 ]{0,40}-{0,4})?$/i;
const BLANK_LINE = /\n[ \t\r]*\n$/;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const BACKSLASH = 92;

/** Nothing encoded yet; a word came first, so that only lines that begin with encoded text count; in the key; over. */
type Phase = 'opened' | 'searching' | 'inside' | 'over';

/**
 * Follows an armoured block (PEM) from behind its opening line. Once its first line of encoded text makes it certain,
 * all of it goes until its closing line, or until what is encoded ends: nothing of it waits in memory.
 */
export class BlockWatch {
  private readonly between: CharacterSet;
  private phase: Phase = 'opened';
  private runStart = -1;
  /** All absolute: up to where the text has been read, and up to where a key may still follow. */
  private cursor: number;
  private limit: number;

  constructor(
    readonly source: StreamRule,
    private readonly closing: string,
    /** It ends with the string it stands in. */
    endsAtQuote: boolean,
    /** Of the opening line. */
    readonly start: number,
    end: number,
  ) {
    this.between = endsAtQuote ? BETWEEN_IN_STRING : BETWEEN_LINES;
    this.cursor = end;
    this.limit = start + source.rule.maxLength;
  }

  /** The same in another form of the text, which begins at `origin` of this one and has been the same so far. */
  movedTo(origin: number): BlockWatch {
    const moved = new BlockWatch(this.source, this.closing, this.between === BETWEEN_IN_STRING, this.start - origin, 0);
    moved.phase = this.phase;
    moved.cursor = this.cursor - origin;
    moved.limit = this.limit - origin;
    moved.runStart = this.runStart === -1 ? -1 : this.runStart - origin;
    return moved;
  }

  get isOver(): boolean {
    return this.phase === 'over';
  }

  get isDropping(): boolean {
    return this.phase === 'inside';
  }

  /** The first place that is still needed to decide. */
  get neededFrom(): number {
    return this.phase === 'opened' ? this.start : this.runStart === -1 ? this.cursor : this.runStart;
  }

  /**
   * Reads on to the end of `text`, which stands at `base`; adds what is to go to `found`. Returns from where on the text
   * must wait.
   */
  advance(text: string, base: number, isFinal: boolean, found: StreamMatch[]): number {
    let index = this.cursor - base;
    while (index < text.length && this.phase !== 'over') {
      const next =
        this.phase === 'inside'
          ? this.drop(text, base, index, isFinal, found)
          : this.search(text, base, index, isFinal, found);
      if (next === index) break;
      index = next;
    }
    this.cursor = base + index;
    if (isFinal) this.phase = 'over';
    if (this.phase === 'over') return base + text.length;
    if (this.phase === 'inside') return this.cursor;
    return this.phase === 'opened' ? this.start : this.runStart === -1 ? base + text.length : this.runStart;
  }

  /** One character on the search for the first encoded line; where it is found, the key begins. */
  private search(text: string, base: number, index: number, isFinal: boolean, found: StreamMatch[]): number {
    if (ENCODED.has(text.charCodeAt(index))) {
      if (this.runStart === -1 && (this.phase === 'opened' || beginsLine(text, index))) this.runStart = base + index;
      const isLong = this.runStart !== -1 && base + index + 1 - this.runStart === MIN_ENCODED_LINE;
      if (isLong) this.enterIfEncoded(text, base, index + 1, found);
      else if (isFinal && index + 1 === text.length) this.enterIfEncoded(text, base, index + 1, found);
      return index + 1;
    }
    const isKnown = this.closingAt(text, index, isFinal);
    if (isKnown === 'unknown') return index;
    this.enterIfEncoded(text, base, index, found);
    if (this.phase === 'inside') return index;
    if (isKnown === 'yes' || base + index >= this.limit) this.phase = 'over';
    else if (this.runStart !== -1 || !this.between.has(text.charCodeAt(index))) this.phase = 'searching';
    this.runStart = -1;
    return index + 1;
  }

  private enterIfEncoded(text: string, base: number, end: number, found: StreamMatch[]): void {
    if (this.runStart === -1 || base + end - this.runStart < MIN_ENCODED_LINE) return;
    if (measureEntropy(text.slice(this.runStart - base, end)) < this.source.rule.minEntropy) return;
    const start = this.phase === 'opened' ? this.start : this.runStart;
    const drops = this.source.action !== 'flag' && this.source.action !== 'block';
    found.push({
      rule: this.source.rule.id,
      source: this.source,
      action: this.source.action,
      start,
      end: base + end,
      wholeStart: start,
      wholeEnd: base + end,
      drop: drops ? 'begins' : null,
    });
    this.phase = drops ? 'inside' : 'over';
    this.runStart = -1;
  }

  /** Drops what still belongs to the key; stays where it is while it cannot be told whether the closing line begins. */
  private drop(text: string, base: number, from: number, isFinal: boolean, found: StreamMatch[]): number {
    let index = from;
    while (index < text.length && this.between.has(text.charCodeAt(index))) {
      index++;
      if (!endsBlankLine(text, index)) continue;
      this.dropTo(base + from, base + index - 1, found);
      this.goOnSearching(base + index);
      return index;
    }
    const closes = index < text.length ? this.closingAt(text, index, isFinal) : 'unknown';
    const end = closes === 'yes' ? this.endOfClosing(text, index, isFinal) : index;
    this.dropTo(base + from, base + end, found);
    if (closes === 'yes' && end > index) this.phase = 'over';
    if (closes === 'no') this.goOnSearching(base + index);
    return end;
  }

  /** `-----END` is the beginning of `-----END RSA PRIVATE KEY-----`; `index` where that is not all there yet. */
  private endOfClosing(text: string, index: number, isFinal: boolean): number {
    const behind = index + this.closing.length;
    const rest = text.slice(behind, behind + MAX_CLOSING_REST);
    const whole = CLOSING_REST.exec(rest);
    if (whole) return behind + whole[0].length;
    return !isFinal && CLOSING_REST_BEGINNING.test(rest) ? index : behind;
  }

  private dropTo(start: number, end: number, found: StreamMatch[]): void {
    if (end <= start) return;
    const { rule, action } = this.source;
    found.push({
      rule: rule.id,
      source: this.source,
      action,
      start,
      end,
      wholeStart: start,
      wholeEnd: end,
      drop: 'goes on',
    });
  }

  private goOnSearching(at: number): void {
    this.phase = 'searching';
    this.runStart = -1;
    this.limit = Math.max(this.limit, at + this.source.rule.maxLength);
  }

  /** Whether the closing text stands here; unknown where the text breaks off in it. */
  private closingAt(text: string, index: number, isFinal: boolean): 'yes' | 'no' | 'unknown' {
    if (text.startsWith(this.closing, index)) return 'yes';
    const rest = text.slice(index, index + this.closing.length);
    return !isFinal && rest.length < this.closing.length && this.closing.startsWith(rest) ? 'unknown' : 'no';
  }
}

/** Whether nothing but blanks and quotes stands between a line's end and this place. */
function beginsLine(text: string, index: number): boolean {
  let before = index - 1;
  while (before >= 0 && index - before < MAX_LINE_BEGINNING && LINE_BEGINNING.has(text.charCodeAt(before))) before--;
  const code = text.charCodeAt(before);
  return before < 0 || code === LINE_FEED || code === CARRIAGE_RETURN || code === BACKSLASH;
}

function endsBlankLine(text: string, end: number): boolean {
  if (text.charCodeAt(end - 1) !== LINE_FEED) return false;
  return BLANK_LINE.test(text.slice(Math.max(0, end - MAX_LINE_BEGINNING), end));
}
