const LETTER_A = 65;
const LETTER_Z = 90;
const CASE_BIT = 32;

/**
 * Finds every occurrence of many words in one pass (Aho-Corasick), ignoring case. The table holds one row a state
 * and one column a class of characters; characters that stand in no word share column 0.
 */
export class AnchorAutomaton {
  /** Column of each ASCII code. */
  readonly columnOf = new Uint8Array(128);
  readonly width: number;
  /** `next[state + column]` is the next state; states are multiples of `width`, 0 is the start. */
  readonly next: Int32Array;
  /** As `next`, 1 where a word ends in the next state. */
  readonly endsWord: Uint8Array;
  private readonly endings: readonly (readonly number[])[];

  constructor(words: readonly string[]) {
    const folded = words.map((word) => word.toLowerCase());
    for (const word of folded) {
      if (word === '' || !/^[\x20-\x7e]+$/.test(word)) throw new Error(`anchor '${word}' is not visible ASCII`);
    }
    const alphabet = [...new Set(folded.join(''))];
    this.width = alphabet.length + 1;
    alphabet.forEach((character, index) => {
      this.columnOf[character.charCodeAt(0)] = index + 1;
    });
    for (let code = LETTER_A; code <= LETTER_Z; code++) this.columnOf[code] = this.columnOf[code | CASE_BIT] ?? 0;

    const { children, endings } = this.buildTrie(folded);
    this.endings = endings;
    const states = this.linkFailures(children, endings);
    this.endsWord = Uint8Array.from(states, (state) => ((endings[state]?.length ?? 0) > 0 ? 1 : 0));
    this.next = states.map((state) => state * this.width);
  }

  /** The words that end in a state, as indexes into the words given. */
  wordsEndingIn(state: number): readonly number[] {
    return this.endings[state / this.width] ?? [];
  }

  private buildTrie(words: readonly string[]): { children: Map<number, number>[]; endings: number[][] } {
    const children: Map<number, number>[] = [new Map()];
    const endings: number[][] = [[]];
    words.forEach((word, wordIndex) => {
      let state = 0;
      for (let index = 0; index < word.length; index++) {
        const column = this.columnOf[word.charCodeAt(index)] ?? 0;
        let child = children[state]?.get(column);
        if (child === undefined) {
          child = children.length;
          children.push(new Map());
          endings.push([]);
          children[state]?.set(column, child);
        }
        state = child;
      }
      endings[state]?.push(wordIndex);
    });
    return { children, endings };
  }

  /** Turns the trie into a table with a next state for every column, shortest states first. */
  private linkFailures(children: readonly Map<number, number>[], endings: number[][]): Int32Array {
    const next = new Int32Array(children.length * this.width);
    const failure = new Int32Array(children.length);
    const queue: number[] = [];
    for (const [column, child] of children[0] ?? []) {
      next[column] = child;
      queue.push(child);
    }
    for (let head = 0; head < queue.length; head++) {
      const state = queue[head] ?? 0;
      const fallback = failure[state] ?? 0;
      endings[state]?.push(...(endings[fallback] ?? []));
      for (let column = 0; column < this.width; column++) {
        const onFallback = next[fallback * this.width + column] ?? 0;
        const child = children[state]?.get(column);
        next[state * this.width + column] = child ?? onFallback;
        if (child === undefined) continue;
        failure[child] = onFallback;
        queue.push(child);
      }
    }
    return next;
  }
}
