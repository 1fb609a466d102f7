import type { Classification } from '../../domain/classification.js';
import type { ActionPolicy } from '../action-policy.js';
import { AnchorAutomaton } from '../engine/anchor-automaton.js';
import { CharacterSet } from '../engine/character-set.js';
import { PartialPattern } from '../rules/partial-pattern.js';
import { studyPattern } from '../rules/pattern-facts.js';
import { parsePattern } from '../rules/pattern-syntax.js';
import type { ScanRule } from '../rules/scan-rule.js';
import { type Lead, leadOf } from './leads.js';
import type { StreamRule } from './stream-rule.js';

export interface StreamAnchor {
  readonly text: string;
  readonly rules: readonly StreamRule[];
}

/** What may stand before an anchor of which only a beginning has been read. */
type Boundaries = readonly (CharacterSet | null)[];

/** What a match asks of the text around it: boundaries and adornments, beside what its rule says. */
const SURROUNDINGS = 64;
const MAX_KNOWN_BEGINNINGS = 16_384;
const RANDOM_FILTER = 'secrets';

/** The rules that act upon answers, compiled once for all of them. Immutable. */
export class StreamRules {
  readonly anchors: readonly StreamAnchor[];
  readonly automaton: AnchorAutomaton;
  /** Those whose pattern begins before its anchor. */
  readonly leads: readonly Lead[];
  /** Those that look at every number. */
  readonly numeric: readonly StreamRule[];
  /** What the anchors of random leads begin with, and what such leads are made of. */
  readonly randomBeginnings: ReadonlySet<string>;
  readonly randomAlphabet: CharacterSet;
  /** So much text before the place that is looked at must be at hand, in UTF-16 units; as `context` reaches further. */
  readonly reach: number;
  readonly lookback: number;
  /** So much of the text's end is looked at for what may be beginning there. */
  readonly tail: number;
  private readonly exactBeginnings = new Map<string, (CharacterSet | null)[]>();
  /** What was asked for: beginnings of anchors in any case. */
  private readonly boundaries = new Map<string, Boundaries>();
  private readonly foldedBeginnings = new Map<string, (CharacterSet | null)[]>();

  private constructor(readonly rules: readonly StreamRule[]) {
    const byText = new Map<string, StreamRule[]>();
    for (const each of rules) {
      for (const anchor of each.rule.anchors) {
        const users = byText.get(anchor) ?? [];
        users.push(each);
        byText.set(anchor, users);
      }
    }
    this.anchors = [...byText].map(([text, users]) => ({ text, rules: users }));
    this.automaton = new AnchorAutomaton(this.anchors.map(({ text }) => text));
    this.numeric = rules.filter(({ rule }) => rule.startsAt === 'digit');
    this.leads = rules.filter(({ rule }) => rule.lead > 0 && rule.valueWithin === null).map(leadOf);
    const random = this.leads.filter(({ source }) => source.hasRandomLead);
    this.randomBeginnings = new Set(random.flatMap(({ beginnings }) => [...beginnings]));
    this.randomAlphabet = random.reduce((union, { source }) => union.union(source.alphabet), CharacterSet.none);
    this.reach = SURROUNDINGS + Math.max(...rules.map(({ rule }) => reachBefore(rule)));
    this.lookback = Math.max(0, ...rules.map(({ rule }) => rule.context?.within ?? 0));
    this.tail = SURROUNDINGS + Math.max(...rules.map(({ rule }) => rule.lead + longestAnchor(rule)));
    for (const each of rules) this.addBeginnings(each);
  }

  /**
   * Null where nothing is looked for in answers to requests of this level. One of `known` where that is the same: making
   * them anew takes tens of milliseconds.
   */
  static of(
    rules: readonly ScanRule[],
    policy: ActionPolicy,
    level: Classification,
    known: readonly StreamRules[] = [],
  ): StreamRules | null {
    const active: StreamRule[] = [];
    for (const rule of rules) {
      const action = policy.resolve({ filter: rule.filter, rule: rule.id, actions: rule.actions }, 'response', level);
      if (action !== 'off') active.push({ ...compile(rule), index: active.length, action });
    }
    if (active.length === 0) return null;
    return known.find((each) => isSameList(each.rules, active)) ?? new StreamRules(active);
  }

  /** Of anchors that begin with `text`: what must not stand before them. Empty where there are none. */
  boundariesOfBeginning(text: string): Boundaries {
    const known = this.boundaries.get(text);
    if (known) return known;
    const exact = this.exactBeginnings.get(text) ?? [];
    const folded = this.foldedBeginnings.get(text.toLowerCase()) ?? [];
    const found = [...exact, ...folded];
    if (this.boundaries.size < MAX_KNOWN_BEGINNINGS) this.boundaries.set(text, found);
    return found;
  }

  private addBeginnings({ rule, actsBehindAnchor }: StreamRule): void {
    if (rule.valueWithin !== null || rule.lead > 0 || actsBehindAnchor) return;
    const beginnings = rule.ignoreCase ? this.foldedBeginnings : this.exactBeginnings;
    for (const anchor of rule.anchors) {
      const text = rule.ignoreCase ? anchor.toLowerCase() : anchor;
      for (let length = 1; length < text.length; length++) {
        const beginning = text.slice(0, length);
        const known = beginnings.get(beginning) ?? [];
        if (!known.some((set) => isSame(set, rule.before))) known.push(rule.before);
        beginnings.set(beginning, known);
      }
    }
  }
}

type Compiled = Omit<StreamRule, 'index' | 'action'>;

/** Rules stay the same from one configuration to the next where their file does. */
const compiledRules = new WeakMap<ScanRule, Compiled>();

function compile(rule: ScanRule): Compiled {
  const known = compiledRules.get(rule);
  if (known) return known;
  const partial = PartialPattern.of(rule.pattern, rule.ignoreCase);
  const compiled = {
    rule,
    partial,
    alphabet: studyPattern(parsePattern(rule.pattern, rule.ignoreCase)).alphabet,
    actsBehindAnchor:
      rule.hasSecretGroup && rule.lead === 0 && rule.anchors.every((anchor) => actsBehind(partial, anchor)),
    hasRandomLead: rule.lead > 0 && rule.filter === RANDOM_FILTER,
  };
  compiledRules.set(rule, compiled);
  return compiled;
}

function actsBehind(partial: PartialPattern, anchor: string): boolean {
  const secret = partial.findSecret(anchor, 0);
  return secret === null || secret >= anchor.length;
}

function reachBefore(rule: ScanRule): number {
  return (rule.valueWithin ?? 0) + rule.lead + longestAnchor(rule);
}

function longestAnchor({ anchors }: ScanRule): number {
  return Math.max(0, ...anchors.map((anchor) => anchor.length));
}

function isSame(first: CharacterSet | null, second: CharacterSet | null): boolean {
  if (first === null || second === null) return first === second;
  return first.beyondAscii === second.beyondAscii && first.ascii.every((bit, code) => bit === second.ascii[code]);
}

/** In answers every action is a word. */
function isSameList(first: readonly StreamRule[], second: readonly StreamRule[]): boolean {
  if (first.length !== second.length) return false;
  return first.every(({ rule, action }, index) => rule === second[index]?.rule && action === second[index].action);
}
