import { beginsToken, endsToken } from '../engine/boundaries.js';
import { ALPHANUMERICS, CharacterSet, DIGITS } from '../engine/character-set.js';
import { judgeSecret } from '../engine/judgement.js';
import type { RuleContext } from '../rules/scan-rule.js';
import { BlockWatch } from './block-watch.js';
import type { StreamMatch } from './stream-match.js';
import type { StreamAnchor, StreamRule, StreamRules } from './stream-rules.js';

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
/** Text behind which no rule looks back is dropped where it has grown by so much. */
const TRIM_UNITS = 8_192;
const ADORNMENTS = CharacterSet.of('_-.');
const MAX_ADORNMENTS = 3;

/**
 * Looks for all rules in a text that is still being written, reading each character once. All indexes that come out count
 * from the text's beginning. What it finds depends on the text alone, never on the pieces it came in.
 */
export class StreamScanner {
  /** The text from `base` on. */
  private text = '';
  private base = 0;
  private state = 0;
  private depth = 0;
  private inNumber = false;
  private candidates: Candidate[] = [];
  private searches: ValueSearch[] = [];
  private blocks: BlockWatch[] = [];
  /** Up to where a rule's matches and values have been found. */
  private readonly searchedTo = new Map<number, number>();

  /** Anchors before `from` are only read as what stands before. */
  constructor(
    private readonly rules: StreamRules,
    private readonly blockLimits: BlockLimits,
    private readonly from = 0,
  ) {}

  get end(): number {
    return this.base + this.text.length;
  }

  /** Where the text begins that is still known. */
  get start(): number {
    return this.base;
  }

  /** The text that is still known, for those who begin to read later. */
  get recent(): string {
    return this.text;
  }

  push(piece: string): void {
    const { columnOf, next, endsWord, depth } = this.rules.automaton;
    const offset = this.end;
    this.text += piece;
    let { state } = this;
    let entry = -1;
    for (let index = 0; index < piece.length; index++) {
      entry = state + (columnOf[piece.charCodeAt(index)] ?? 0);
      state = next[entry] ?? 0;
      if (endsWord[entry] === 1) {
        for (const anchor of this.rules.automaton.wordsEndingIn(state))
          this.meet(this.rules.anchors[anchor], offset + index + 1);
      }
    }
    this.state = state;
    if (this.rules.numeric.length > 0) this.meetNumbers(piece, offset);
    if (entry !== -1) this.depth = depth[entry] ?? 0;
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
    hold = this.holdAnchor(hold);
    for (const source of this.rules.leading) hold = this.holdLead(source, hold);
    return hold;
  }

  /** Forgets what nobody looks back at any more; returns how many units. */
  trim(hold: number): number {
    if (this.text.length < this.rules.lookback + TRIM_UNITS) return 0;
    let needed = Math.min(hold, this.end - this.depth);
    for (const { start } of this.candidates) needed = Math.min(needed, start);
    for (const { nameStart } of this.searches) needed = Math.min(needed, nameStart);
    for (const { neededFrom } of this.blocks) needed = Math.min(needed, neededFrom);
    const units = needed - this.rules.lookback - this.base;
    if (units < TRIM_UNITS / 2) return 0;
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
    const next = Math.max(nameEnd, this.searchedTo.get(source.index) ?? 0);
    if (next >= limit) return;
    this.searches.push({ source, nameStart, next, limit });
    this.searchedTo.set(source.index, limit);
  }

  private settleCandidates(isFinal: boolean, found: StreamMatch[], held: number): number {
    let hold = held;
    const open: Candidate[] = [];
    for (const candidate of this.candidates) {
      if (candidate.start >= hold && !isFinal) {
        open.push(candidate);
        continue;
      }
      if ((this.searchedTo.get(candidate.source.index) ?? 0) > candidate.start) continue;
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
      if (rule.context && !namesContext(this.text, rule.context, nameStart - this.base, at)) continue;
      const matches = found.length;
      const waits = this.tryPattern(source, search.next, isFinal, found, search.next);
      if (waits !== DECIDED) return waits;
      const match = found.length > matches ? found.at(-1) : undefined;
      if (!match) continue;
      const searchedTo = Math.max(match.wholeEnd, limit);
      this.searchedTo.set(source.index, searchedTo);
      for (const other of this.searches) if (other.source === source) other.next = Math.max(other.next, match.wholeEnd);
      search.next = searchedTo;
    }
    return NOTHING;
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
      const isNear = hasContext(text, rule.context, at, end);
      const mayCome = !isFinal && rule.closing === null && text.length < end + rule.context.within;
      if (!isNear) return mayCome ? base + acts : DECIDED;
    }
    if (rule.closing !== null) {
      this.blocks.push(new BlockWatch(source, rule.closing, this.blockLimits === 'between quotes', start, base + end));
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
    if (rule.valueWithin === null) this.searchedTo.set(source.index, base + end);
    return DECIDED;
  }

  /** Where what is acted upon begins, relative to the text that is known. */
  private actsFrom({ hasRandomLead }: StreamRule, at: number, secret: number, anchorAt: number): number {
    return hasRandomLead ? Math.max(secret, firstDigit(this.text, at, anchorAt)) : secret;
  }

  /** The beginning of an anchor at the end of the text. */
  private holdAnchor(held: number): number {
    const { text, base } = this;
    for (let at = Math.max(0, text.length - this.depth); at < text.length; at++) {
      if (base + at >= held) return held;
      const boundaries = this.rules.boundariesOfBeginning(text.slice(at));
      if (boundaries.some((before) => beginsToken(text, at, before))) return base + at;
    }
    return held;
  }

  /** What could be the lead of a match whose anchor has not come yet. */
  private holdLead(source: StreamRule, held: number): number {
    const { text, base } = this;
    const { rule, alphabet, partial, hasRandomLead } = source;
    const longest = rule.lead + Math.max(0, ...rule.anchors.map((anchor) => anchor.length));
    let at = text.length;
    while (at > 0 && text.length - at < longest && alphabet.has(text.charCodeAt(at - 1))) at--;
    if (at === text.length) return held;
    for (; at < text.length && base + at < held; at++) {
      if (hasRandomLead && firstDigit(text, at, text.length) === text.length && !this.endsInAnchor(source, at))
        return held;
      if (!rule.head.has(text.charCodeAt(at)) || !beginsToken(text, at, rule.before)) continue;
      if (!partial.isViable(text, at)) continue;
      const hold = hasRandomLead ? Math.min(firstDigit(text, at, text.length), this.anchorAtEnd(source, at)) : at;
      return Math.min(held, base + hold);
    }
    return held;
  }

  private endsInAnchor(source: StreamRule, from: number): boolean {
    return this.anchorAtEnd(source, from) < this.text.length;
  }

  /** Where a beginning of one of the rule's anchors begins that reaches the end of the text; its end where there is none. */
  private anchorAtEnd({ rule }: StreamRule, from: number): number {
    const longest = Math.max(0, ...rule.anchors.map((anchor) => anchor.length));
    for (let at = Math.max(from, this.text.length - longest); at < this.text.length; at++) {
      const rest = this.text.slice(at);
      const begins = rule.anchors.some((anchor) =>
        rule.ignoreCase ? anchor.toLowerCase().startsWith(rest.toLowerCase()) : anchor.startsWith(rest),
      );
      if (begins) return at;
    }
    return this.text.length;
  }

  private watchBlocks(isFinal: boolean, found: StreamMatch[], held: number): number {
    let hold = held;
    for (const block of this.blocks) hold = Math.min(hold, block.advance(this.text, this.base, isFinal, found));
    this.blocks = this.blocks.filter(({ isOver }) => !isOver);
    return hold;
  }
}

/** Whether more text could change whether a token ends here: it is the text's end, or only adornments follow. */
function isOpenEnd(text: string, end: number, after: CharacterSet | null): boolean {
  if (after === null) return false;
  if (end === text.length) return true;
  if (!after.has(text.charCodeAt(end))) return false;
  let index = end;
  while (index < text.length && index - end < MAX_ADORNMENTS && ADORNMENTS.has(text.charCodeAt(index))) index++;
  return index === text.length;
}

function firstDigit(text: string, from: number, to: number): number {
  for (let index = from; index < to; index++) if (DIGITS.has(text.charCodeAt(index))) return index;
  return to;
}

/** Whether a word begins here: after anything but a letter, or at a hump as in `myHerokuKey`. */
function beginsName(text: string, start: number): boolean {
  const before = text.charCodeAt(start - 1);
  if (!ALPHANUMERICS.has(before) || DIGITS.has(before)) return true;
  return isLower(before) && !isLower(text.charCodeAt(start));
}

function isLower(code: number): boolean {
  return code >= 97 && code <= 122;
}

function namesContext(text: string, { words, within }: RuleContext, nameAt: number, valueAt: number): boolean {
  const name = text.slice(Math.max(0, nameAt - within), valueAt).toLowerCase();
  return words.some((word) => name.includes(word));
}

function hasContext(text: string, { words, within }: RuleContext, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - within), start).toLowerCase();
  const after = text.slice(end, end + within).toLowerCase();
  return words.some((word) => before.includes(word) || after.includes(word));
}
