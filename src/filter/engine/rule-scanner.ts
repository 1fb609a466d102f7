import type { ScanRule } from '../rules/scan-rule.js';
import { AnchorAutomaton } from './anchor-automaton.js';
import { findBlockEnd } from './armoured-block.js';
import { beginsToken, endsToken } from './boundaries.js';
import { isPlaceholder } from './placeholders.js';
import type { ScanBudget } from './scan-budget.js';
import { measureEntropy } from './validators.js';

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

/** After so many steps the scan offers to pause: well under a millisecond of work. */
const STEPS_PER_SLICE = 65_536;
/** What trying a pattern costs at least. */
const TRIAL_STEPS = 8;

interface Anchor {
  readonly text: string;
  readonly rules: readonly { readonly rule: ScanRule; readonly index: number }[];
}

/** Looks for all rules in one pass over a text. Immutable, shared by all requests. */
export class RuleScanner {
  private readonly anchors: readonly Anchor[];
  private readonly automaton: AnchorAutomaton;

  constructor(readonly rules: readonly ScanRule[]) {
    const byText = new Map<string, { rule: ScanRule; index: number }[]>();
    rules.forEach((rule, index) => {
      for (const anchor of rule.anchors) {
        const users = byText.get(anchor) ?? [];
        users.push({ rule, index });
        byText.set(anchor, users);
      }
    });
    this.anchors = [...byText].map(([text, users]) => ({ text, rules: users }));
    this.automaton = new AnchorAutomaton(this.anchors.map(({ text }) => text));
  }

  /** Yields whenever a slice of work is done; returns the matches in the order they were met. */
  *scan(text: string, budget: ScanBudget): Generator<void, RuleMatch[]> {
    const pass: Pass = {
      text,
      budget,
      matches: [],
      searchedTo: new Int32Array(this.rules.length),
      index: 0,
      state: 0,
    };
    for (;;) {
      this.scanSlice(pass);
      if (pass.index >= text.length) return pass.matches;
      yield;
    }
  }

  private scanSlice(pass: Pass): void {
    const { text, budget } = pass;
    const { columnOf, next, endsWord } = this.automaton;
    const start = pass.index;
    const end = Math.min(text.length, start + STEPS_PER_SLICE);
    const spent = budget.spent;
    let { state } = pass;
    let index = start;
    while (index < end) {
      const code = text.charCodeAt(index++);
      const entry = code < 128 ? state + (columnOf[code] ?? 0) : state;
      state = next[entry] ?? 0;
      if (endsWord[entry] !== 1) continue;
      for (const anchorIndex of this.automaton.wordsEndingIn(state)) this.tryAnchor(pass, anchorIndex, index);
      if (budget.spent - spent > STEPS_PER_SLICE) break;
    }
    budget.spend(index - start);
    pass.index = index;
    pass.state = state;
  }

  private tryAnchor(pass: Pass, anchorIndex: number, anchorEnd: number): void {
    const anchor = this.anchors[anchorIndex];
    if (!anchor) return;
    const anchorStart = anchorEnd - anchor.text.length;
    for (const { rule, index } of anchor.rules) {
      if (rule.valueWithin !== null) {
        if (beginsName(pass.text, anchorStart)) this.searchValue(pass, rule, index, anchorStart, anchorEnd);
      } else if (
        (pass.searchedTo[index] ?? 0) <= anchorStart &&
        (rule.ignoreCase || pass.text.startsWith(anchor.text, anchorStart))
      ) {
        this.searchToken(pass, rule, index, anchorStart);
      }
    }
  }

  /** Tries the pattern where the anchor stands. */
  private searchToken(pass: Pass, rule: ScanRule, index: number, anchorStart: number): void {
    let start = anchorStart;
    while (start > 0 && anchorStart - start < rule.lead && rule.head.has(pass.text.charCodeAt(start - 1))) start--;
    if (!beginsToken(pass.text, start, rule.before)) return;
    const match = this.tryPattern(pass, rule, start);
    if (!match || !hasContext(pass, rule, match)) return;
    pass.matches.push(match);
    pass.searchedTo[index] = match.end;
  }

  /** Tries the pattern wherever a value can begin after a name. No place is looked at twice for one rule. */
  private searchValue(pass: Pass, rule: ScanRule, index: number, anchorStart: number, anchorEnd: number): void {
    const limit = Math.min(pass.text.length, anchorEnd + (rule.valueWithin ?? 0));
    const from = Math.max(anchorEnd, pass.searchedTo[index] ?? 0);
    if (from >= limit) return;
    pass.budget.spend(limit - from);
    for (let at = from; at < limit; at++) {
      if (!rule.head.has(pass.text.charCodeAt(at)) || !beginsToken(pass.text, at, rule.before)) continue;
      const match = this.tryPattern(pass, rule, at);
      if (!match || !namesContext(pass.text, rule, anchorStart, at)) continue;
      pass.matches.push(match);
      pass.searchedTo[index] = Math.max(match.end, limit);
      return;
    }
    pass.searchedTo[index] = limit;
  }

  private tryPattern(pass: Pass, rule: ScanRule, start: number): RuleMatch | null {
    const { text, budget } = pass;
    const reach = rule.run ? lengthOfRun(text, start, rule) : Math.min(rule.patternLength, text.length - start);
    if (reach < rule.minLength) {
      budget.spend(TRIAL_STEPS + reach);
      return null;
    }
    rule.matcher.lastIndex = start;
    const found = rule.matcher.exec(text);
    budget.spend(TRIAL_STEPS + (found ? found[0].length : reach));
    if (!found) return null;
    const whole = found[0];
    let end = start + whole.length;
    if (!endsToken(text, end, rule.after)) return null;
    const range = rule.hasSecretGroup ? found.indices?.groups?.secret : undefined;
    const secretStart = range?.[0] ?? start;
    let secretEnd = range?.[1] ?? end;
    const secret = text.slice(secretStart, secretEnd);
    const verified = this.judge(rule, secret);
    if (verified === null) return null;
    if (rule.closing !== null) {
      const limit = Math.min(text.length, start + rule.maxLength);
      budget.spend(limit - end);
      const blockEnd = findBlockEnd(text.slice(end, limit), rule.closing, rule.minEntropy);
      if (blockEnd === null) return null;
      end += blockEnd;
      secretEnd = end;
    }
    return { rule, start, end, secretStart, secretEnd, verified };
  }

  /** Whether a checksum proves it; null where it is no credential at all. */
  private judge(rule: ScanRule, secret: string): boolean | null {
    let verified = false;
    for (const validate of rule.validators) {
      const verdict = validate(secret);
      if (verdict === 'refuted') return null;
      if (verdict === 'verified') verified = true;
    }
    if (verified) return true;
    if (rule.closing !== null) return verified;
    if (rule.minEntropy > 0 && measureEntropy(secret) < rule.minEntropy) return null;
    if (rule.allow.some((example) => example.test(secret))) return null;
    if (isPlaceholder(secret)) return null;
    return false;
  }
}

interface Pass {
  readonly text: string;
  readonly budget: ScanBudget;
  readonly matches: RuleMatch[];
  /** For each rule, up to where its matches and values have been looked for. */
  readonly searchedTo: Int32Array;
  /** Where the automaton stands. */
  index: number;
  state: number;
}

/** How far the characters of the rule reach, at most one further than it can use. */
function lengthOfRun(text: string, start: number, rule: ScanRule): number {
  const limit = Math.min(text.length, start + rule.patternLength);
  let index = start;
  while (index < limit && rule.run?.has(text.charCodeAt(index))) index++;
  return index - start;
}

/** Whether a word begins here: after anything but a letter, or at a hump as in `myHerokuKey`. */
function beginsName(text: string, start: number): boolean {
  const before = text.charCodeAt(start - 1);
  if (!isLetter(before)) return true;
  return isLower(before) && !isLower(text.charCodeAt(start));
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
  pass.budget.spend(2 * within);
  const before = pass.text.slice(Math.max(0, match.start - within), match.start).toLowerCase();
  const after = pass.text.slice(match.end, match.end + within).toLowerCase();
  return words.some((word) => before.includes(word) || after.includes(word));
}
