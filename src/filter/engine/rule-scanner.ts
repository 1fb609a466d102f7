import type { TextRange } from '../../domain/detector.js';
import type { ScanRule } from '../rules/scan-rule.js';
import { REACH, SEEN_BEFORE } from './anchor-filter.js';
import { type Anchor, type AnchoredRule, AnchorTable } from './anchor-table.js';
import { findBlockEnd } from './armoured-block.js';
import { beginsName, beginsToken, endsToken, isInsideToken, standsAt } from './boundaries.js';
import { type ContextPlaces, hasWordsAround, namesContext } from './context-words.js';
import { judgeSecret } from './judgement.js';
import { countDigits, countRun, isDigit, mayBeginAt } from './numbers.js';
import type { RuleMatch, TextMatches } from './rule-match.js';
import { ASCII } from './run-memory.js';
import type { ScanBudget } from './scan-budget.js';
import { ScanPass } from './scan-pass.js';
import { ScanText } from './scan-text.js';
import * as cost from './step-costs.js';

/** After so many steps the scan offers to pause: well under a millisecond of work. */
const STEPS_PER_SLICE = 262_144;
const CHARACTERS_PER_SLICE = 65_536;
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
    const pass = new ScanPass(text, budget, this.table.memory.takeBase(text.length));
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

  private scanSlice(pass: ScanPass): void {
    const { budget } = pass;
    const start = pass.index;
    const end = Math.min(pass.end, start + CHARACTERS_PER_SLICE);
    const spent = budget.spent;
    while (pass.index < end && budget.spent - spent <= STEPS_PER_SLICE) {
      if (this.table.filter.skip(pass, pass.text.units, end)) {
        this.followAnchors(pass, pass.index - REACH);
      }
    }
    budget.spend(cost.READ * (pass.index - start));
    if (this.readsNumbers) this.scanDigits(pass, start, pass.index);
  }

  /** Runs the automaton from `start` until the filter can take over again. */
  private followAnchors(pass: ScanPass, start: number): void {
    const { units, length } = pass.text;
    const { columnOf, next, width, endsWord, depth } = this.table.automaton;
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
      state = next[state * width + (columnOf[unit] as number)] as number;
      depthOfState = depth[state] as number;
      if (endsWord[state] === 1) this.tryAnchors(pass, state, at);
    }
    pass.budget.spend(cost.HIT + cost.FOLLOW * (at - from));
    pass.bits |= bits;
    pass.state = state;
    pass.followedTo = at;
    pass.index = Math.max(atLeast, at);
  }

  private tryAnchors(pass: ScanPass, state: number, anchorEnd: number): void {
    const { automaton, anchors } = this.table;
    for (const index of automaton.wordsEndingIn(state)) {
      const anchor = anchors[index];
      if (anchor) this.tryAnchor(pass, anchor, anchorEnd);
    }
  }

  private tryAnchor(pass: ScanPass, anchor: Anchor, anchorEnd: number): void {
    const anchorStart = anchorEnd - anchor.text.length;
    pass.budget.spend(anchor.rules.length * (cost.ANCHOR + cost.ANCHOR_CHARACTER * anchor.text.length));
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
  private searchToken(pass: ScanPass, anchored: AnchoredRule, anchorStart: number, anchorEnd: number): void {
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
  private findLead(pass: ScanPass, { rule, index, head }: AnchoredRule, anchorStart: number): number {
    const { units } = pass.text;
    const leads = pass.leadsOf(this.rules.length);
    const knownFrom = leads[2 * index] as number;
    const knownTo = leads[2 * index + 1] as number;
    const earliest = Math.max(0, anchorStart - rule.lead);
    const isKnown = knownFrom < knownTo && knownTo <= anchorStart;
    const stop = isKnown ? Math.max(earliest, knownTo) : earliest;
    let start = anchorStart;
    while (start > stop && head[Math.min(units[start - 1] as number, ASCII)] === 1) start--;
    pass.budget.spend(cost.LEAD * (anchorStart - start));
    if (isKnown && start === knownTo) start = Math.max(earliest, knownFrom);
    leads[2 * index] = start;
    leads[2 * index + 1] = anchorStart;
    return start;
  }

  /** Tries the pattern wherever a value can begin after a name. No place is looked at twice for one rule. */
  private searchValue(pass: ScanPass, anchored: AnchoredRule, anchorStart: number, anchorEnd: number): void {
    const { rule, index, head, run } = anchored;
    const { units, length: textLength } = pass.text;
    const { memory } = this.table;
    const limit = Math.min(textLength, anchorEnd + (rule.valueWithin ?? 0));
    const from = Math.max(anchorEnd, pass.searchedTo(index));
    if (from >= limit) return;
    pass.budget.spend(cost.SEARCH + cost.SEARCHED * (limit - from));
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
      if (match && rule.context) pass.budget.spend(cost.CONTEXT * (at - anchorStart + rule.context.within));
      if (!match || !namesContext(pass.text.text, rule.context, anchorStart, at)) continue;
      pass.matches.push(match);
      searchedTo = Math.max(match.end, limit);
      break;
    }
    pass.setSearchedTo(index, searchedTo, this.rules.length);
  }

  /** Looks at the beginning of every number. */
  private scanDigits(pass: ScanPass, from: number, to: number): void {
    const { units, length } = pass.text;
    let inNumber = isDigit(units[from - 1] ?? 0);
    for (let at = from; at < to && at < length; at++) {
      const digit = isDigit(units[at] ?? 0);
      if (digit && !inNumber) {
        const digits = countDigits(units, length, at);
        const run = countRun(units, length, at);
        const rules = this.table.digitRulesFor(digits);
        pass.budget.spend(cost.NUMBER + cost.NUMBER_RULE * rules.length);
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
  private contextOf(pass: ScanPass): ContextPlaces | null {
    const { digitContexts } = this.table;
    if (pass.contexts || !digitContexts) return pass.contexts;
    const { units, length } = pass.text;
    pass.budget.spend(cost.FOLLOW * length);
    pass.contexts = digitContexts.find(units, length);
    return pass.contexts;
  }

  /** Whether a match that begins about here could have its context: looked at before the pattern is tried. */
  private mayHaveContext(pass: ScanPass, { rule, index }: AnchoredRule, at: number): boolean {
    if (!rule.context) return true;
    const { within } = rule.context;
    const places = this.contextOf(pass);
    return places?.has(index, at - rule.lead - within, at + rule.patternLength + within) ?? false;
  }

  private hasContext(pass: ScanPass, { rule, index }: AnchoredRule, match: RuleMatch): boolean {
    if (!rule.context) return true;
    const { within, words } = rule.context;
    if (rule.startsAt === 'digit') return this.contextOf(pass)?.surrounds(index, match, within) ?? false;
    const around = Math.min(within, match.start) + Math.min(within, pass.text.length - match.end);
    pass.budget.spend(cost.CONTEXT * (around / 2) * words.length);
    return hasWordsAround(pass.text.text, rule.context, match);
  }

  private mayMatch(pass: ScanPass, { outline }: AnchoredRule, at: number): boolean {
    pass.budget.spend(cost.LOOK);
    const { units, length } = pass.text;
    return outline === null || outline.mayMatch(units, length, at, pass.base, this.table.memory);
  }

  private tryPattern(pass: ScanPass, rule: ScanRule, start: number): RuleMatch | null {
    const { budget } = pass;
    const { text } = pass.text;
    if (text.length - start < rule.minLength) return null;
    rule.matcher.lastIndex = start;
    const found = rule.matcher.exec(text);
    const tried = found ? found[0].length : Math.min(rule.patternLength, text.length - start);
    budget.spend(cost.TRIAL + cost.TRIED * tried);
    if (!found) return null;
    budget.spend(cost.FOUND);
    let end = start + found[0].length;
    if (!endsToken(text, end, rule.after)) return null;
    const range = rule.hasSecretGroup ? found.indices?.groups?.secret : undefined;
    const secretStart = range?.[0] ?? start;
    let secretEnd = range?.[1] ?? end;
    budget.spend(cost.JUDGEMENT + cost.JUDGED * (secretEnd - secretStart));
    const verified = judgeSecret(rule, text.slice(secretStart, secretEnd));
    if (verified === null) return null;
    budget.spend(cost.NOTE);
    if (rule.closing !== null) {
      const limit = Math.min(text.length, start + rule.maxLength);
      budget.spend(cost.TRIED * (limit - end));
      const opening = found[0].slice(0, OPENING_CHARACTERS);
      const blockEnd = findBlockEnd(text.slice(end, limit), opening, rule.closing, rule.minEntropy);
      if (blockEnd === null) return null;
      end += blockEnd;
      secretEnd = end;
    }
    return { rule, start, end, secretStart, secretEnd, verified };
  }
}
