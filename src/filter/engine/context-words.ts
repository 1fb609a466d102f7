import { AnchorAutomaton } from './anchor-automaton.js';

interface ContextRule {
  readonly index: number;
  readonly words: readonly string[];
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
    const { columnOf, next, endsWord } = this.automaton;
    const places = new ContextPlaces();
    let state = 0;
    for (let at = 0; at < length; at++) {
      const entry = state + (columnOf[units[at] ?? 0] ?? 0);
      state = next[entry] ?? 0;
      if (endsWord[entry] !== 1) continue;
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
