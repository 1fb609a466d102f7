import type { TextRange } from '../../domain/detector.js';
import type { ScanRule } from '../rules/scan-rule.js';
import { REACH, READ_ON, type Reading, SEEN_BEFORE } from './anchor-filter.js';
import { type Anchor, type AnchoredRule, AnchorTable } from './anchor-table.js';
import { findBlockEnd } from './armoured-block.js';
import { beginsName, beginsToken, endsToken, isInsideToken, standsAt } from './boundaries.js';
import { type ContextPlaces, hasWordsAround, namesContext } from './context-words.js';
import { judgeSecret } from './judgement.js';
import { countDigits, countRun, isDigit, mayBeginAt } from './numbers.js';
import { ASCII } from './run-memory.js';
import type { ScanBudget } from './scan-budget.js';
import { ScanText } from './scan-text.js';

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
  readonly isAscii: boolean;
  /** Whether a match may reach from a place that was read further than `NEAR` characters. */
  readonly reachesFar: boolean;
}

/** After so many steps the scan offers to pause: well under a millisecond of work. */
const STEPS_PER_SLICE = 262_144;
const CHARACTERS_PER_SLICE = 65_536;
/** What work costs in steps, as measured: reading a character, following one through the automaton, looking for a value. */
const READ_STEPS = 2;
const FOLLOW_STEPS = 5;
const SEARCH_STEPS = 3;
/** What it costs to look whether a pattern can match; to try it, and each character of it; to judge and note a match. */
const LOOK_STEPS = 12;
const TRIAL_STEPS = 200;
const STEPS_PER_TRIED_CHARACTER = 4;
const JUDGE_STEPS = 400;
const STEPS_PER_JUDGED_CHARACTER = 20;
const NOTE_STEPS = 1_000;
const CONTEXT_STEPS = 4;
/** To measure a number, and to look whether one of the rules for numbers can match there. */
const NUMBER_STEPS = 30;
const STEPS_PER_NUMBER_RULE = 6;
const LAST_ASCII = 0x7f;
/** So much of an opening line tells where the next one is. */
const OPENING_CHARACTERS = 11;

/** Looks for all rules in one pass over a text. Shared by all requests. */
export class RuleScanner {
  private readonly table: AnchorTable;

  constructor(readonly rules: readonly ScanRule[]) {
    this.table = new AnchorTable(rules);
  }

  /** Whether any rule looks at every number: those cost more a character than all others. */
  get readsNumbers(): boolean {
    return this.table.digitRules.length > 0;
  }

  /** Yields whenever a slice of work is done; returns the matches in the order they were met. */
  *scan(text: string, budget: ScanBudget): Generator<void, readonly RuleMatch[]> {
    const scanned = ScanText.of(text);
    const { matches } = yield* this.scanText(scanned, budget);
    scanned.release();
    return matches;
  }

  /**
   * The same for a text that is at hand as units. Only matches that begin in one of the stretches, or stand for a name
   * there, are told: each stretch from its first place up to its last, one behind the other, none empty.
   */
  *scanText(
    text: ScanText,
    budget: ScanBudget,
    stretches: readonly TextRange[] = [{ start: 0, end: text.length }],
  ): Generator<void, TextMatches> {
    const pass = new Pass(text, budget, this.table.memory.takeBase(text.length));
    pass.reachesFar = this.table.hasFarNumbers;
    for (const { start, end } of stretches) {
      pass.enter(start, end);
      for (;;) {
        this.scanSlice(pass);
        if (pass.index >= pass.end) break;
        yield;
      }
    }
    return pass;
  }

  private scanSlice(pass: Pass): void {
    const { budget } = pass;
    const start = pass.index;
    const end = Math.min(pass.end, start + CHARACTERS_PER_SLICE);
    const spent = budget.spent;
    while (pass.index < end && budget.spent - spent <= STEPS_PER_SLICE) {
      if (this.table.filter.skip(pass, pass.text.units, end)) {
        this.followAnchors(pass, pass.index - REACH);
      }
    }
    budget.spend(READ_STEPS * (pass.index - start));
    if (this.readsNumbers) this.scanDigits(pass, start, pass.index);
  }

  /** Runs the automaton from `start` until the filter can take over again. */
  private followAnchors(pass: Pass, start: number): void {
    const { units, length } = pass.text;
    const { columnOf, next, endsWord, depth } = this.table.automaton;
    const goesOn = start < pass.followedTo;
    const from = goesOn ? pass.followedTo : Math.max(0, start);
    const atLeast = pass.index;
    let at = from;
    let state = goesOn ? pass.state : 0;
    let depthOfState = 0;
    let bits = 0;
    while (at < length && (at < atLeast || depthOfState > SEEN_BEFORE)) {
      const unit = units[at++] as number;
      bits |= unit;
      const entry = state + (columnOf[unit] as number);
      state = next[entry] as number;
      depthOfState = depth[entry] as number;
      if (endsWord[entry] === 1) this.tryAnchors(pass, state, at);
    }
    pass.budget.spend(FOLLOW_STEPS * (at - from));
    pass.bits |= bits;
    pass.state = state;
    pass.followedTo = at;
    pass.index = Math.max(atLeast, at);
  }

  private tryAnchors(pass: Pass, state: number, anchorEnd: number): void {
    const { automaton, anchors } = this.table;
    for (const index of automaton.wordsEndingIn(state)) {
      const anchor = anchors[index];
      if (anchor) this.tryAnchor(pass, anchor, anchorEnd);
    }
  }

  private tryAnchor(pass: Pass, anchor: Anchor, anchorEnd: number): void {
    const anchorStart = anchorEnd - anchor.text.length;
    for (const anchored of anchor.rules) {
      const { rule, index } = anchored;
      if (anchored.isFar) pass.reachesFar = true;
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
    if (rule.lead > 0) start = this.findLead(pass, anchored, anchorStart);
    if (isInsideToken(pass.text.units, start, rule.before)) return;
    if (!this.mayMatch(pass, anchored, afterAnchor ? anchorEnd : start)) return;
    if (!beginsToken(pass.text.text, start, rule.before)) return;
    const match = this.tryPattern(pass, rule, start);
    if (!match || !this.hasContext(pass, anchored, match)) return;
    pass.matches.push(match);
    pass.setSearchedTo(index, match.end, this.rules.length);
  }

  /** Where the match begins that the anchor stands in. What was read before for the last anchor is not read again. */
  private findLead(pass: Pass, { rule, index, head }: AnchoredRule, anchorStart: number): number {
    const { units } = pass.text;
    const leads = pass.leadsOf(this.rules.length);
    const knownFrom = leads[2 * index] as number;
    const knownTo = leads[2 * index + 1] as number;
    const earliest = Math.max(0, anchorStart - rule.lead);
    const isKnown = knownFrom < knownTo && knownTo <= anchorStart;
    const stop = isKnown ? Math.max(earliest, knownTo) : earliest;
    let start = anchorStart;
    while (start > stop && head[Math.min(units[start - 1] as number, ASCII)] === 1) start--;
    pass.budget.spend(anchorStart - start);
    if (isKnown && start === knownTo) start = Math.max(earliest, knownFrom);
    leads[2 * index] = start;
    leads[2 * index + 1] = anchorStart;
    return start;
  }

  /** Tries the pattern wherever a value can begin after a name. No place is looked at twice for one rule. */
  private searchValue(pass: Pass, anchored: AnchoredRule, anchorStart: number, anchorEnd: number): void {
    const { rule, index, head, run } = anchored;
    const { units, length: textLength } = pass.text;
    const { memory } = this.table;
    const limit = Math.min(textLength, anchorEnd + (rule.valueWithin ?? 0));
    const from = Math.max(anchorEnd, pass.searchedTo(index));
    if (from >= limit) return;
    pass.budget.spend(SEARCH_STEPS * (limit - from));
    let searchedTo = limit;
    for (let at = from; at < limit; at++) {
      if (run) {
        const length = memory.measure(run, units, textLength, pass.base, at, rule.minLength);
        if (length < rule.minLength) {
          at += length;
          continue;
        }
      }
      if (head[Math.min(units[at] ?? 0, ASCII)] !== 1 || isInsideToken(units, at, rule.before)) continue;
      if (!this.mayMatch(pass, anchored, at)) continue;
      if (!beginsToken(pass.text.text, at, rule.before)) continue;
      const match = this.tryPattern(pass, rule, at);
      if (!match || !namesContext(pass.text.text, rule.context, anchorStart, at)) continue;
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
        const run = countRun(units, length, at);
        const rules = this.table.digitRulesFor(digits);
        pass.budget.spend(NUMBER_STEPS + STEPS_PER_NUMBER_RULE * rules.length);
        for (const anchored of rules) {
          const { rule, index } = anchored;
          if (run < rule.minRun || pass.searchedTo(index) > at) continue;
          if (mayBeginAt(units, rule, at) && this.mayHaveContext(pass, anchored, at)) {
            this.searchToken(pass, anchored, at, at);
          }
        }
      }
      inNumber = digit;
    }
  }

  /** Looks for the words of all numbers' contexts once a text, and only where a number needs them. */
  private contextOf(pass: Pass): ContextPlaces | null {
    const { digitContexts } = this.table;
    if (pass.contexts || !digitContexts) return pass.contexts;
    const { units, length } = pass.text;
    pass.budget.spend(FOLLOW_STEPS * length);
    pass.contexts = digitContexts.find(units, length);
    return pass.contexts;
  }

  /** Whether a match that begins about here could have its context: looked at before the pattern is tried. */
  private mayHaveContext(pass: Pass, { rule, index }: AnchoredRule, at: number): boolean {
    if (!rule.context) return true;
    const { within } = rule.context;
    const places = this.contextOf(pass);
    return places?.has(index, at - rule.lead - within, at + rule.patternLength + within) ?? false;
  }

  private hasContext(pass: Pass, { rule, index }: AnchoredRule, match: RuleMatch): boolean {
    if (!rule.context) return true;
    const { within, words } = rule.context;
    if (rule.startsAt === 'digit') return this.contextOf(pass)?.surrounds(index, match, within) ?? false;
    pass.budget.spend(CONTEXT_STEPS * within * words.length);
    return hasWordsAround(pass.text.text, rule.context, match);
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
    const tried = found ? found[0].length : Math.min(rule.patternLength, text.length - start);
    budget.spend(TRIAL_STEPS + STEPS_PER_TRIED_CHARACTER * tried);
    if (!found) return null;
    let end = start + found[0].length;
    if (!endsToken(text, end, rule.after)) return null;
    const range = rule.hasSecretGroup ? found.indices?.groups?.secret : undefined;
    const secretStart = range?.[0] ?? start;
    let secretEnd = range?.[1] ?? end;
    budget.spend(JUDGE_STEPS + STEPS_PER_JUDGED_CHARACTER * (secretEnd - secretStart));
    const verified = judgeSecret(rule, text.slice(secretStart, secretEnd));
    if (verified === null) return null;
    budget.spend(NOTE_STEPS);
    if (rule.closing !== null) {
      const limit = Math.min(text.length, start + rule.maxLength);
      budget.spend(STEPS_PER_TRIED_CHARACTER * (limit - end));
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
class Pass implements TextMatches, Reading {
  readonly matches: RuleMatch[] = [];
  bits = 0;
  reachesFar = false;
  /** The next unit to read, and where reading ends: so far behind the stretch that the filter sees its last units. */
  index = 0;
  end = 0;
  /** Up to where the automaton has read, and its state there. */
  followedTo = 0;
  state = 0;
  /** For each rule, up to where its matches and values have been looked for; null while that is nowhere. */
  private searched: Int32Array | null = null;
  /** For each rule, from where to where the characters are known to be such as its matches begin with; see `leadsOf`. */
  private leads: Int32Array | null = null;
  /** Where the words of numbers' contexts stand; null while nobody asked. */
  contexts: ContextPlaces | null = null;

  constructor(
    readonly text: ScanText,
    readonly budget: ScanBudget,
    readonly base: number,
  ) {}

  enter(start: number, end: number): void {
    this.index = Math.max(this.index, start);
    this.end = end === 0 ? 0 : end + READ_ON;
  }

  get isAscii(): boolean {
    return this.bits <= LAST_ASCII;
  }

  leadsOf(rules: number): Int32Array {
    this.leads ??= new Int32Array(2 * rules);
    return this.leads;
  }

  searchedTo(rule: number): number {
    return this.searched?.[rule] ?? 0;
  }

  setSearchedTo(rule: number, place: number, rules: number): void {
    this.searched ??= new Int32Array(rules);
    this.searched[rule] = place;
  }
}
