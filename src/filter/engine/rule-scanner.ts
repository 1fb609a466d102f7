import type { ScanRule } from '../rules/scan-rule.js';
import { KEY_BITS_PER_UNIT, KEY_BITS_PER_WORD, KEY_MASK, KEY_UNIT_MASK } from './anchor-filter.js';
import { type Anchor, type AnchoredRule, AnchorTable } from './anchor-table.js';
import { findBlockEnd } from './armoured-block.js';
import { beginsToken, endsToken } from './boundaries.js';
import { type CharacterSet, NUMBER_SEPARATORS } from './character-set.js';
import { judgeSecret } from './judgement.js';
import type { ScanBudget } from './scan-budget.js';
import { ScanText, traitsOfUnit } from './scan-text.js';

export interface RuleMatch {
  readonly rule: ScanRule;
  /** The whole match, with the names and quotes its pattern takes in. */
  readonly start: number;
  readonly end: number;
  /** The credential itself. */
  readonly secretStart: number;
  readonly secretEnd: number;
  /** Whether a checksum proves it. */
  readonly verified: boolean;
}

export interface TextMatches {
  readonly matches: readonly RuleMatch[];
  /** What the text holds beside plain ASCII: bits of `scan-text.ts`. */
  readonly traits: number;
}

/** After so many steps the scan offers to pause: well under a millisecond of work. */
const STEPS_PER_SLICE = 65_536;
/** What it costs to look whether a pattern can match, to try it, and to judge what it matched, in steps. */
const LOOK_STEPS = 8;
const TRIAL_STEPS = 48;
const JUDGE_STEPS = 200;
/** So much of an opening line tells where the next one is. */
const OPENING_CHARACTERS = 11;
/** The filter looks at so many units at once; an anchor that has less of them behind it is not followed further. */
const FILTER_UNITS = 3;
/** No number is written longer before the digits all rules ask for have come. */
const MOST_NUMBER = 48;

/** Looks for all rules in one pass over a text. Shared by all requests. */
export class RuleScanner {
  private readonly table: AnchorTable;

  constructor(readonly rules: readonly ScanRule[]) {
    this.table = new AnchorTable(rules);
  }

  /** Yields whenever a slice of work is done; returns the matches in the order they were met. */
  *scan(text: string, budget: ScanBudget): Generator<void, readonly RuleMatch[]> {
    const scanned = ScanText.of(text);
    const { matches } = yield* this.scanText(scanned, budget);
    scanned.release();
    return matches;
  }

  /** The same for a text that is at hand as units. */
  *scanText(text: ScanText, budget: ScanBudget): Generator<void, TextMatches> {
    const pass = new Pass(text, budget, this.table.memory.takeBase(text.length));
    for (;;) {
      this.scanSlice(pass);
      if (pass.index >= pass.end) return pass;
      yield;
    }
  }

  private scanSlice(pass: Pass): void {
    const { budget } = pass;
    const start = pass.index;
    const end = Math.min(pass.end, start + STEPS_PER_SLICE);
    const spent = budget.spent;
    while (pass.index < end && budget.spent - spent <= STEPS_PER_SLICE) {
      if (this.skipTo(pass, end)) this.followAnchors(pass, pass.index - FILTER_UNITS);
    }
    budget.spend(pass.index - start);
    if (this.table.digitRules.length > 0) this.scanDigits(pass, start, pass.index);
  }

  /** Reads on until an anchor may have begun with the last three units; false where none does before the end. */
  private skipTo(pass: Pass, end: number): boolean {
    const { units } = pass.text;
    const { bits } = this.table.filter;
    let { index, traits } = pass;
    let key = index < 2 ? 0 : (units[index - 2] ?? 0) & KEY_UNIT_MASK;
    if (index > 0) key = (key << KEY_BITS_PER_UNIT) ^ ((units[index - 1] ?? 0) & KEY_UNIT_MASK);
    let mayBegin = 0;
    while (index < end) {
      const unit = units[index++] ?? 0;
      traits |= traitsOfUnit[unit] ?? 0;
      key = ((key << KEY_BITS_PER_UNIT) ^ (unit & KEY_UNIT_MASK)) & KEY_MASK;
      mayBegin = ((bits[key >>> KEY_BITS_PER_WORD] ?? 0) >>> key) & 1;
      if (mayBegin === 1) break;
    }
    pass.index = index;
    pass.traits = traits;
    return mayBegin === 1;
  }

  /** Runs the automaton from `start` until the filter can take over again. */
  private followAnchors(pass: Pass, start: number): void {
    const { units, length } = pass.text;
    const { automaton, anchors } = this.table;
    const { columnOf, next, endsWord, depth } = automaton;
    const goesOn = start < pass.followedTo;
    let at = goesOn ? pass.followedTo : Math.max(0, start);
    let state = goesOn ? pass.state : 0;
    const from = at;
    let depthOfState = FILTER_UNITS;
    while (at < length && (at < pass.index || depthOfState >= FILTER_UNITS)) {
      const unit = units[at++] ?? 0;
      pass.traits |= traitsOfUnit[unit] ?? 0;
      const entry = state + (columnOf[unit] ?? 0);
      state = next[entry] ?? 0;
      depthOfState = depth[entry] ?? 0;
      if (endsWord[entry] !== 1) continue;
      for (const index of automaton.wordsEndingIn(state)) {
        const anchor = anchors[index];
        if (anchor) this.tryAnchor(pass, anchor, at);
      }
    }
    pass.budget.spend(at - from);
    pass.state = state;
    pass.followedTo = at;
    pass.index = Math.max(pass.index, at);
  }

  private tryAnchor(pass: Pass, anchor: Anchor, anchorEnd: number): void {
    const anchorStart = anchorEnd - anchor.text.length;
    for (const anchored of anchor.rules) {
      const { rule, index } = anchored;
      if (rule.valueWithin !== null) {
        if (beginsName(pass.text.units, anchorStart)) this.searchValue(pass, anchored, anchorStart, anchorEnd);
      } else if (
        pass.searchedTo(index) <= anchorStart &&
        (rule.ignoreCase || standsAt(anchor.text, pass.text.units, anchorStart))
      ) {
        this.searchToken(pass, anchored, anchorStart, anchorEnd);
      }
    }
  }

  /** Tries the pattern where the anchor stands. */
  private searchToken(pass: Pass, anchored: AnchoredRule, anchorStart: number, anchorEnd: number): void {
    const { rule, index, afterAnchor } = anchored;
    let start = anchorStart;
    while (start > 0 && anchorStart - start < rule.lead && rule.head.has(pass.text.units[start - 1] ?? 0)) start--;
    if (!this.mayMatch(pass, anchored, afterAnchor ? anchorEnd : start)) return;
    if (!beginsToken(pass.text.text, start, rule.before)) return;
    const match = this.tryPattern(pass, rule, start);
    if (!match || !hasContext(pass, rule, match)) return;
    pass.matches.push(match);
    pass.setSearchedTo(index, match.end, this.rules.length);
  }

  /** Tries the pattern wherever a value can begin after a name. No place is looked at twice for one rule. */
  private searchValue(pass: Pass, anchored: AnchoredRule, anchorStart: number, anchorEnd: number): void {
    const { rule, index } = anchored;
    const { units, length } = pass.text;
    const limit = Math.min(length, anchorEnd + (rule.valueWithin ?? 0));
    const from = Math.max(anchorEnd, pass.searchedTo(index));
    if (from >= limit) return;
    pass.budget.spend(limit - from);
    let searchedTo = limit;
    let runEnd = from;
    for (let at = from; at < limit; at++) {
      if (rule.run && runEnd - at < rule.minLength) {
        at = findRun(units, length, at, rule.run, rule.minLength);
        if (at >= limit) break;
        runEnd = at + rule.minLength;
      }
      if (!rule.head.has(units[at] ?? 0) || !this.mayMatch(pass, anchored, at)) continue;
      if (!beginsToken(pass.text.text, at, rule.before)) continue;
      const match = this.tryPattern(pass, rule, at);
      if (!match || !namesContext(pass.text.text, rule, anchorStart, at)) continue;
      pass.matches.push(match);
      searchedTo = Math.max(match.end, limit);
      break;
    }
    pass.setSearchedTo(index, searchedTo, this.rules.length);
  }

  /** Looks at the beginning of every number. */
  private scanDigits(pass: Pass, from: number, to: number): void {
    const { units, length } = pass.text;
    let inNumber = isDigit(units[from - 1] ?? 0);
    for (let at = from; at < to && at < length; at++) {
      const digit = isDigit(units[at] ?? 0);
      if (digit && !inNumber) {
        const digits = countDigits(units, length, at);
        for (const anchored of this.table.digitRules) {
          if (digits < anchored.rule.minDigits || pass.searchedTo(anchored.index) > at) continue;
          this.searchToken(pass, anchored, at, at);
        }
      }
      inNumber = digit;
    }
  }

  private mayMatch(pass: Pass, { outline }: AnchoredRule, at: number): boolean {
    pass.budget.spend(LOOK_STEPS);
    const { units, length } = pass.text;
    return outline === null || outline.mayMatch(units, length, at, pass.base, this.table.memory);
  }

  private tryPattern(pass: Pass, rule: ScanRule, start: number): RuleMatch | null {
    const { budget } = pass;
    const { text } = pass.text;
    if (text.length - start < rule.minLength) return null;
    rule.matcher.lastIndex = start;
    const found = rule.matcher.exec(text);
    budget.spend(TRIAL_STEPS + (found ? found[0].length : Math.min(rule.patternLength, text.length - start)));
    if (!found) return null;
    let end = start + found[0].length;
    if (!endsToken(text, end, rule.after)) return null;
    const range = rule.hasSecretGroup ? found.indices?.groups?.secret : undefined;
    const secretStart = range?.[0] ?? start;
    let secretEnd = range?.[1] ?? end;
    budget.spend(JUDGE_STEPS);
    const verified = judgeSecret(rule, text.slice(secretStart, secretEnd));
    if (verified === null) return null;
    if (rule.closing !== null) {
      const limit = Math.min(text.length, start + rule.maxLength);
      budget.spend(limit - end);
      const opening = found[0].slice(0, OPENING_CHARACTERS);
      const blockEnd = findBlockEnd(text.slice(end, limit), opening, rule.closing, rule.minEntropy);
      if (blockEnd === null) return null;
      end += blockEnd;
      secretEnd = end;
    }
    return { rule, start, end, secretStart, secretEnd, verified };
  }
}

/** How far a scan has come. */
class Pass implements TextMatches {
  readonly matches: RuleMatch[] = [];
  traits = 0;
  /** The next unit to read, and where reading ends: so far behind the text that the filter sees its last units. */
  index = 0;
  readonly end: number;
  /** Up to where the automaton has read, and its state there. */
  followedTo = 0;
  state = 0;
  /** For each rule, up to where its matches and values have been looked for; null while that is nowhere. */
  private searched: Int32Array | null = null;

  constructor(
    readonly text: ScanText,
    readonly budget: ScanBudget,
    readonly base: number,
  ) {
    this.end = text.length === 0 ? 0 : text.length + FILTER_UNITS - 1;
  }

  searchedTo(rule: number): number {
    return this.searched?.[rule] ?? 0;
  }

  setSearchedTo(rule: number, place: number, rules: number): void {
    this.searched ??= new Int32Array(rules);
    this.searched[rule] = place;
  }
}

function standsAt(word: string, units: Uint16Array, start: number): boolean {
  for (let index = 0; index < word.length; index++) {
    if (units[start + index] !== word.charCodeAt(index)) return false;
  }
  return true;
}

/** Where the next so many characters of a set begin, at `from` or later; the text's length where there are none. */
function findRun(units: Uint16Array, length: number, from: number, set: CharacterSet, count: number): number {
  let start = from;
  while (start + count <= length) {
    // All of them have to be of the set: looked at from the last, most of a text is skipped.
    let at = start + count - 1;
    while (at >= start && set.has(units[at] ?? 0)) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return length;
}

/** Whether a word begins here: after anything but a letter, or at a hump as in `myHerokuKey`. */
function beginsName(units: Uint16Array, start: number): boolean {
  const before = start === 0 ? 0 : (units[start - 1] ?? 0);
  if (!isLetter(before)) return true;
  return isLower(before) && !isLower(units[start] ?? 0);
}

/** Digits from here on, over what separates the digits of one number; no more than any rule asks for. */
function countDigits(units: Uint16Array, length: number, from: number): number {
  let digits = 0;
  for (let at = from; at < length && at < from + MOST_NUMBER; at++) {
    const unit = units[at] ?? 0;
    if (isDigit(unit)) digits++;
    else if (!NUMBER_SEPARATORS.has(unit)) break;
  }
  return digits;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isLower(code: number): boolean {
  return code >= 97 && code <= 122;
}

function isLetter(code: number): boolean {
  return isLower(code | 32) && code < 128;
}

/** For values: a word of the context stands in their name (`HEROKU_API_KEY = `) or shortly before it. */
function namesContext(text: string, rule: ScanRule, nameStart: number, valueStart: number): boolean {
  if (!rule.context) return true;
  const name = text.slice(Math.max(0, nameStart - rule.context.within), valueStart).toLowerCase();
  return rule.context.words.some((word) => name.includes(word));
}

/** For patterns that stand alone: a word of the context stands around them. */
function hasContext(pass: Pass, rule: ScanRule, match: RuleMatch): boolean {
  if (!rule.context) return true;
  const { words, within } = rule.context;
  const { text } = pass.text;
  pass.budget.spend(2 * within);
  const before = text.slice(Math.max(0, match.start - within), match.start).toLowerCase();
  const after = text.slice(match.end, match.end + within).toLowerCase();
  return words.some((word) => before.includes(word) || after.includes(word));
}
