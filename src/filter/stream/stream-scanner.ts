import { flat } from '../../domain/flat-text.js';
import { beginsToken, endsToken } from '../engine/boundaries.js';
import { type CharacterSet, DIGITS } from '../engine/character-set.js';
import { judgeSecret } from '../engine/judgement.js';
import type { RuleContext, ScanRule } from '../rules/scan-rule.js';
import { BlockWatch } from './block-watch.js';
import { firstDigit } from './leads.js';
import type { StreamMatch } from './stream-match.js';
import type { StreamRule } from './stream-rule.js';
import type { StreamAnchor, StreamRules } from './stream-rules.js';
import { TextEnd } from './text-end.js';
import { beginsName, isOpenEnd } from './token-edges.js';

/** An anchor was read at `anchorStart`; whether its rule's pattern matches from `start` is not known yet. */
interface Candidate {
  readonly source: StreamRule;
  readonly start: number;
  readonly anchorStart: number;
}

/** A name was read at `nameStart`; its value may begin from `next` on, before `limit`. */
interface ValueSearch {
  readonly source: StreamRule;
  readonly nameStart: number;
  readonly limit: number;
  next: number;
}

/** Where armoured blocks are looked for: in JSON none reaches beyond its string. */
export type BlockLimits = 'anywhere' | 'between quotes' | 'nowhere';

/** What is tried at a place: decided (a match or not), or from where on the text has to wait. */
const DECIDED = -1;
const NOTHING = Number.POSITIVE_INFINITY;
/** Text that is not looked at any more is put away by so much; pieces of a word would take ten times the memory. */
const TRIM_UNITS = 512;
const FLAT_AFTER_PIECES = 16;

/**
 * Looks for all rules in a text that is still being written, reading each character once. All indexes that come out count
 * from the text's beginning. What it finds depends on the text alone, never on the pieces it came in.
 */
export class StreamScanner {
  /** The text from `base` on; it is made flat only where something has to be looked at. */
  private text = '';
  private base = 0;
  private readonly textEnd: TextEnd;
  private state = 0;
  private depth = 0;
  private inNumber = false;
  private candidates: Candidate[] = [];
  private searches: ValueSearch[] = [];
  private blocks: BlockWatch[] = [];
  /** Up to where a rule's matches and values have been found. Null until there are any. */
  private searchedTo: Map<number, number> | null = null;
  /** How many pieces `text` has been given since it was in one. */
  private pieces = 0;

  /** `past` stands before the text; anchors before `from` are only read as what stands before. */
  constructor(
    private readonly rules: StreamRules,
    private readonly blockLimits: BlockLimits,
    private past: string,
    private readonly from: number,
  ) {
    this.textEnd = new TextEnd(rules);
  }

  /** Whether anything is looked for that has begun. */
  get isIdle(): boolean {
    return this.candidates.length === 0 && this.searches.length === 0 && this.blocks.length === 0;
  }

  get end(): number {
    return this.base + this.text.length;
  }

  /** Whether something goes whose end has not come. */
  get isDropping(): boolean {
    return this.blocks.some(({ isDropping }) => isDropping);
  }

  /** Where the text begins that is still looked at. */
  get start(): number {
    return this.base;
  }

  /** What stands before it, as far back as the context of any rule reaches. */
  get before(): string {
    return this.past;
  }

  /** The text that is still looked at, for those who begin to read later. */
  get recent(): string {
    return this.text;
  }

  /** Goes on with blocks that begin before what is read of another form; all others are met again. */
  continueBlocks({ blocks, start }: StreamScanner): void {
    for (const block of blocks) if (block.start < start) this.blocks.push(block.movedTo(start));
  }

  push(piece: string): void {
    const { columnOf, next, width, endsWord, depth } = this.rules.automaton;
    const offset = this.end;
    this.text += piece;
    if (++this.pieces === FLAT_AFTER_PIECES) {
      this.text = flat(this.text);
      this.pieces = 0;
    }
    this.textEnd.push(piece);
    let { state } = this;
    for (let index = 0; index < piece.length; index++) {
      state = next[state * width + (columnOf[piece.charCodeAt(index)] ?? 0)] ?? 0;
      if (endsWord[state] === 1) {
        for (const anchor of this.rules.automaton.wordsEndingIn(state))
          this.meet(this.rules.anchors[anchor], offset + index + 1);
      }
    }
    this.state = state;
    if (this.rules.numeric.length > 0) this.meetNumbers(piece, offset);
    this.depth = depth[state] ?? 0;
  }

  /**
   * Decides what can be decided and adds the matches to `found`, all that begin before the place it returns among them;
   * from that place on the text has to wait for what comes. `isFinal`: nothing comes any more.
   */
  settle(isFinal: boolean, found: StreamMatch[]): number {
    let hold = this.end;
    if (this.blocks.length > 0) hold = this.watchBlocks(isFinal, found, hold);
    if (this.candidates.length > 0) hold = this.settleCandidates(isFinal, found, hold);
    if (this.searches.length > 0) hold = this.settleSearches(isFinal, found, hold);
    if (isFinal) return hold;
    return this.textEnd.hold(hold, this.depth);
  }

  /** Puts away what is not looked at any more; returns how many units. */
  trim(hold: number): number {
    const { reach, lookback } = this.rules;
    if (this.text.length < reach + TRIM_UNITS) return 0;
    let needed = Math.min(hold, this.end - this.depth);
    for (const { start } of this.candidates) needed = Math.min(needed, start);
    for (const { nameStart } of this.searches) needed = Math.min(needed, nameStart);
    for (const { neededFrom } of this.blocks) needed = Math.min(needed, neededFrom);
    const units = needed - reach - this.base;
    if (units < TRIM_UNITS / 2) return 0;
    this.past = (this.past + this.text.slice(0, units)).slice(-lookback);
    this.text = this.text.slice(units);
    this.base += units;
    return units;
  }

  private meet(anchor: StreamAnchor | undefined, end: number): void {
    if (!anchor) return;
    const anchorStart = end - anchor.text.length;
    if (anchorStart < this.from) return;
    const at = anchorStart - this.base;
    for (const source of anchor.rules) {
      const { rule } = source;
      if (rule.closing !== null && this.blockLimits === 'nowhere') continue;
      if (rule.valueWithin !== null) {
        if (beginsName(this.text, at)) this.searchValue(source, anchorStart, end, rule.valueWithin);
      } else if (rule.ignoreCase || this.text.startsWith(anchor.text, at)) {
        this.consider(source, anchorStart);
      }
    }
  }

  /** Looks at the beginning of every number. */
  private meetNumbers(piece: string, offset: number): void {
    for (let index = 0; index < piece.length; index++) {
      const isDigit = DIGITS.has(piece.charCodeAt(index));
      if (isDigit && !this.inNumber && offset + index >= this.from) {
        for (const source of this.rules.numeric) this.consider(source, offset + index);
      }
      this.inNumber = isDigit;
    }
  }

  private consider(source: StreamRule, anchorStart: number): void {
    const { rule } = source;
    const at = anchorStart - this.base;
    let start = at;
    while (start > 0 && at - start < rule.lead && rule.head.has(this.text.charCodeAt(start - 1))) start--;
    if (!beginsToken(this.text, start, rule.before)) return;
    const candidate = { source, anchorStart, start: this.base + start };
    const last = this.candidates.at(-1);
    this.candidates.push(candidate);
    if (last && last.start > candidate.start) this.candidates.sort((first, second) => first.start - second.start);
  }

  private searchValue(source: StreamRule, nameStart: number, nameEnd: number, within: number): void {
    const limit = nameEnd + within;
    const next = Math.max(nameEnd, this.searchedToOf(source));
    if (next >= limit) return;
    this.searches.push({ source, nameStart, next, limit });
    this.noteSearched(source, limit);
  }

  private settleCandidates(isFinal: boolean, found: StreamMatch[], held: number): number {
    let hold = held;
    const open: Candidate[] = [];
    for (const candidate of this.candidates) {
      if (candidate.start >= hold && !isFinal) {
        open.push(candidate);
        continue;
      }
      if (this.searchedToOf(candidate.source) > candidate.start) continue;
      const { source, start, anchorStart } = candidate;
      const waits = this.tryPattern(source, start, isFinal, found, anchorStart);
      if (waits === DECIDED) continue;
      open.push(candidate);
      if (waits < hold) hold = waits;
    }
    this.candidates = open;
    return this.blocks.length > 0 ? this.watchBlocks(isFinal, found, hold) : hold;
  }

  private settleSearches(isFinal: boolean, found: StreamMatch[], held: number): number {
    let hold = held;
    for (const search of this.searches) {
      const waits = this.advanceSearch(search, isFinal, found, hold);
      if (waits < hold) hold = waits;
    }
    this.searches = this.searches.filter(({ next, limit }) => next < limit);
    return hold;
  }

  /** Tries the pattern wherever a value can begin behind a name, as far as the text goes. */
  private advanceSearch(search: ValueSearch, isFinal: boolean, found: StreamMatch[], hold: number): number {
    const { source, nameStart, limit } = search;
    const { rule } = source;
    const to = Math.min(limit, this.end);
    for (; search.next < to; search.next++) {
      if (search.next >= hold && !isFinal) return NOTHING;
      const at = search.next - this.base;
      if (!rule.head.has(this.text.charCodeAt(at)) || !beginsToken(this.text, at, rule.before)) continue;
      if (rule.run && this.isTooShort(rule, rule.run, at)) continue;
      if (rule.context && !this.namesContext(rule.context, nameStart - this.base, at)) continue;
      const matches = found.length;
      const waits = this.tryPattern(source, search.next, isFinal, found, search.next);
      if (waits !== DECIDED) return waits;
      const match = found.length > matches ? found.at(-1) : undefined;
      if (!match) continue;
      const searchedTo = Math.max(match.wholeEnd, limit);
      this.noteSearched(source, searchedTo);
      for (const other of this.searches) if (other.source === source) other.next = Math.max(other.next, match.wholeEnd);
      search.next = searchedTo;
    }
    return NOTHING;
  }

  private searchedToOf({ index }: StreamRule): number {
    return this.searchedTo?.get(index) ?? 0;
  }

  private noteSearched({ index }: StreamRule, to: number): void {
    this.searchedTo ??= new Map();
    this.searchedTo.set(index, to);
  }

  private tryPattern(
    source: StreamRule,
    start: number,
    isFinal: boolean,
    found: StreamMatch[],
    anchorStart: number,
  ): number {
    const { rule, partial } = source;
    const { text, base } = this;
    const at = start - base;
    if (rule.run && this.isTooShort(rule, rule.run, at)) return DECIDED;
    if (!isFinal) {
      const secret = partial.findSecret(text, at);
      if (secret !== null) return base + this.actsFrom(source, at, secret, anchorStart - base);
    }
    rule.matcher.lastIndex = at;
    const match = rule.matcher.exec(text);
    if (!match) return DECIDED;
    const end = at + match[0].length;
    const [secretStart, secretEnd] = (rule.hasSecretGroup ? match.indices?.groups?.secret : null) ?? [at, end];
    const acts = this.actsFrom(source, at, secretStart, anchorStart - base);
    if (!isFinal && isOpenEnd(text, end, rule.after)) return base + acts;
    if (!endsToken(text, end, rule.after)) return DECIDED;
    if (judgeSecret(rule, text.slice(secretStart, secretEnd)) === null) return DECIDED;
    if (rule.context && rule.valueWithin === null) {
      const isNear = this.hasContext(rule.context, at, end);
      const mayCome = !isFinal && rule.closing === null && text.length < end + rule.context.within;
      if (!isNear) return mayCome ? base + acts : DECIDED;
    }
    if (rule.closing !== null) {
      // Where the next block opens, one that has not begun is over: openings alone, however many, are read once.
      for (const block of this.blocks) block.advance(text.slice(0, at), base, false, found);
      const watch = new BlockWatch(source, rule.closing, this.blockLimits === 'between quotes', start, base + end);
      this.blocks = [...this.blocks.filter((block) => block.isDropping || block.source !== source), watch];
      return DECIDED;
    }
    found.push({
      rule: rule.id,
      source,
      action: source.action,
      start: base + acts,
      end: base + secretEnd,
      wholeStart: start,
      wholeEnd: base + end,
      drop: null,
    });
    if (rule.valueWithin === null) this.noteSearched(source, base + end);
    return DECIDED;
  }

  /** Where what is acted upon begins, relative to the text that is known. */
  private actsFrom({ hasRandomLead }: StreamRule, at: number, secret: number, anchorAt: number): number {
    return hasRandomLead ? Math.max(secret, firstDigit(this.text, at, anchorAt)) : secret;
  }

  /** Whether the characters the rule's matches are made of end too soon here. */
  private isTooShort({ minLength }: ScanRule, run: CharacterSet, at: number): boolean {
    const { text } = this;
    const to = Math.min(text.length, at + minLength);
    for (let index = at; index < to; index++) if (!run.has(text.charCodeAt(index))) return true;
    return false;
  }

  /** For values: a word of the context stands in their name or shortly before it. */
  private namesContext({ words, within }: RuleContext, nameAt: number, valueAt: number): boolean {
    const name = (this.textBefore(nameAt, within) + this.text.slice(nameAt, valueAt)).toLowerCase();
    return words.some((word) => name.includes(word));
  }

  /** For patterns that stand alone: a word of the context stands around them. */
  private hasContext({ words, within }: RuleContext, start: number, end: number): boolean {
    const before = this.textBefore(start, within).toLowerCase();
    const after = this.text.slice(end, end + within).toLowerCase();
    return words.some((word) => before.includes(word) || after.includes(word));
  }

  private textBefore(at: number, within: number): string {
    if (at >= within) return this.text.slice(at - within, at);
    return this.past.slice(Math.max(0, this.past.length - (within - at))) + this.text.slice(0, at);
  }

  private watchBlocks(isFinal: boolean, found: StreamMatch[], held: number): number {
    let hold = held;
    for (const block of this.blocks) hold = Math.min(hold, block.advance(this.text, this.base, isFinal, found));
    this.blocks = this.blocks.filter(({ isOver }) => !isOver);
    return hold;
  }
}
