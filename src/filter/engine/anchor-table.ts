import type { ScanRule } from '../rules/scan-rule.js';
import { AnchorAutomaton } from './anchor-automaton.js';
import { AnchorFilter } from './anchor-filter.js';
import { ContextWords } from './context-words.js';
import { MOST_NUMBER } from './numbers.js';
import { PatternOutline } from './pattern-outline.js';
import { membersOf, RunMemory, type RunSet } from './run-memory.js';

/** The turn at which values are looked for, before any pattern's. */
const VALUES = -1;
/** A rule with more anchors is a list of words: its pattern is little more than they are, and tells nothing sooner. */
const MOST_OUTLINED = 128;

/** What a rule looks at lies no further than this from its anchor, unless the rule is a far one. */
export const NEAR = 1_024;

/** A rule where one of its anchors stands. */
export interface AnchoredRule {
  readonly rule: ScanRule;
  /** The rule's place among all. */
  readonly index: number;
  /** Of the rule's whole pattern, or where `afterAnchor`, of what follows the anchor. */
  readonly outline: PatternOutline | null;
  readonly afterAnchor: boolean;
  /** What a match can begin with: see `membersOf`. */
  readonly head: Uint8Array;
  /** The rule's characters, where a match is one run of them. */
  readonly run: RunSet | null;
  readonly isFar: boolean;
}

export interface Anchor {
  readonly text: string;
  readonly rules: readonly AnchoredRule[];
}

/** All anchors of a set of rules, and what is known of the patterns behind them. Made once for a set of rules. */
export class AnchorTable {
  readonly anchors: readonly Anchor[];
  readonly automaton: AnchorAutomaton;
  readonly filter = new AnchorFilter();
  readonly memory = new RunMemory();
  /** Rules that look at every number. */
  readonly digitRules: readonly AnchoredRule[];
  /** Whether one of them looks far. */
  readonly hasFarNumbers: boolean;
  /** Those of them that so many digits are enough for. */
  private readonly rulesOfDigits: readonly (readonly AnchoredRule[])[];
  /** The context of those rules; null where none needs any. */
  readonly digitContexts: ContextWords | null;

  constructor(rules: readonly ScanRule[]) {
    const byText = new Map<string, AnchoredRule[]>();
    rules.forEach((rule, index) => {
      for (const anchor of rule.anchors) {
        const users = byText.get(anchor) ?? [];
        users.push(this.outline(rule, index, anchor));
        byText.set(anchor, users);
        this.filter.add(anchor, rule.ignoreCase || rule.valueWithin !== null);
      }
    });
    this.anchors = [...byText].map(([text, users]) => ({ text, rules: users }));
    this.automaton = new AnchorAutomaton(this.anchors.map(({ text }) => text));
    this.digitRules = rules.flatMap((rule, index) =>
      rule.startsAt === 'digit' ? [this.outline(rule, index, '')] : [],
    );
    this.hasFarNumbers = this.digitRules.some(({ isFar }) => isFar);
    this.rulesOfDigits = Array.from({ length: MOST_NUMBER + 1 }, (_, digits) =>
      this.digitRules.filter(({ rule }) => rule.minDigits <= digits),
    );
    this.digitContexts = ContextWords.of(
      this.digitRules.map(({ rule, index }) => ({ index, words: rule.context?.words ?? [] })),
    );
  }

  /** The rules whose matches may begin with a number of so many digits. */
  digitRulesFor(digits: number): readonly AnchoredRule[] {
    return this.rulesOfDigits[Math.min(digits, MOST_NUMBER)] ?? [];
  }

  private outline(rule: ScanRule, index: number, anchor: string): AnchoredRule {
    const afterAnchor = anchor !== '' && rule.valueWithin === null && rule.lead === 0;
    const beginning = afterAnchor ? anchor : '';
    const isList = rule.anchors.length > MOST_OUTLINED;
    const outline = isList ? null : PatternOutline.of(rule, beginning, this.memory);
    const run = rule.run && this.memory.register(rule.run, VALUES);
    return { rule, index, outline, afterAnchor, head: membersOf(rule.head), run, isFar: spanOf(rule) > NEAR };
  }
}

/** How far from an anchor, before or behind it, a match and its context can lie. */
function spanOf({ anchors, lead, valueWithin, maxLength, patternLength, context }: ScanRule): number {
  const longest = Math.max(0, ...anchors.map(({ length }) => length));
  const words = Math.max(0, ...(context?.words ?? []).map(({ length }) => length));
  return lead + longest + (valueWithin ?? 0) + Math.max(maxLength, patternLength) + (context?.within ?? 0) + words;
}
