import type { RuleContext } from '../rules/scan-rule.js';
import { AnchorAutomaton } from './anchor-automaton.js';

interface ContextRule {
  readonly index: number;
  readonly words: readonly string[];
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The words that have to stand near the matches of some rules, found for all of them in one pass. */
export class ContextWords {
  private readonly automaton: AnchorAutomaton;
  private readonly words: readonly { readonly length: number; readonly rules: readonly number[] }[];

  /** Null where no rule has such words. */
  static of(rules: readonly ContextRule[]): ContextWords | null {
    return rules.some(({ words }) => words.length > 0) ? new ContextWords(rules) : null;
  }

  private constructor(rules: readonly ContextRule[]) {
    const usersOf = new Map<string, number[]>();
    for (const { index, words } of rules) {
      for (const word of words) usersOf.set(word, [...(usersOf.get(word) ?? []), index]);
    }
    this.automaton = new AnchorAutomaton([...usersOf.keys()]);
    this.words = [...usersOf].map(([word, users]) => ({ length: word.length, rules: users }));
  }

  /** Every place of the words in a text. */
  find(units: Uint16Array, length: number): ContextPlaces {
    const { columnOf, next, width, endsWord } = this.automaton;
    const places = new ContextPlaces();
    let state = 0;
    for (let at = 0; at < length; at++) {
      state = next[state * width + (columnOf[units[at] ?? 0] ?? 0)] ?? 0;
      if (endsWord[state] !== 1) continue;
      for (const index of this.automaton.wordsEndingIn(state)) {
        const word = this.words[index];
        for (const rule of word?.rules ?? []) places.add(rule, at + 1 - (word?.length ?? 0), at + 1);
      }
    }
    return places;
  }
}

/** Where the words of each rule stand. */
export class ContextPlaces {
  /** By rule: starts and ends in turn, the ends in order. */
  private readonly places = new Map<number, number[]>();

  add(rule: number, start: number, end: number): void {
    const known = this.places.get(rule);
    if (known) known.push(start, end);
    else this.places.set(rule, [start, end]);
  }

  /** Whether a word stands shortly before or after a match. */
  surrounds(rule: number, { start, end }: Range, within: number): boolean {
    return this.has(rule, start - within, start) || this.has(rule, end, end + within);
  }

  /** Whether a word stands wholly between two places. */
  has(rule: number, from: number, to: number): boolean {
    const known = this.places.get(rule);
    if (!known) return false;
    let low = 0;
    let high = known.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((known[2 * middle + 1] ?? 0) <= from) low = middle + 1;
      else high = middle;
    }
    for (; 2 * low < known.length && (known[2 * low + 1] ?? 0) <= to; low++) {
      if ((known[2 * low] ?? 0) >= from) return true;
    }
    return false;
  }
}

/** For values: a word of the context stands in their name (`HEROKU_API_KEY = `) or shortly before it. */
export function namesContext(
  text: string,
  context: RuleContext | null,
  nameStart: number,
  valueStart: number,
): boolean {
  if (!context) return true;
  const name = text.slice(Math.max(0, nameStart - context.within), valueStart).toLowerCase();
  return context.words.some((word) => name.includes(word));
}

/** For patterns that stand alone: a word of the context stands around them. */
export function hasWordsAround(text: string, { words, within }: RuleContext, { start, end }: Range): boolean {
  const before = text.slice(Math.max(0, start - within), start).toLowerCase();
  const after = text.slice(end, end + within).toLowerCase();
  return words.some((word) => before.includes(word) || after.includes(word));
}
