const UNITS = 65_536;

interface Trie {
  readonly children: Map<number, number>[];
  readonly endings: number[][];
  readonly depths: number[];
}

/** Longer words would not fit into the table of depths. */
const MAX_WORD = 255;

/**
 * Finds every occurrence of many words in one pass (Aho-Corasick), ignoring case. The table holds one row a state
 * and one column a class of UTF-16 units; units that stand in no word share column 0.
 */
export class AnchorAutomaton {
  /** Column of each UTF-16 unit. */
  readonly columnOf = new Uint16Array(UNITS);
  readonly width: number;
  /** `next[state * width + column]` is the next state; 0 is the start. As small as can be: it is what has to be fetched. */
  readonly next: Uint16Array | Int32Array;
  /** By state: 1 where a word ends in it. */
  readonly endsWord: Uint8Array;
  /** By state: how many characters read last are the beginning of a word. */
  readonly depth: Uint8Array;
  private readonly endings: readonly (readonly number[])[];

  constructor(words: readonly string[]) {
    const folded = words.map(foldCase);
    for (const word of folded) {
      if (word === '' || word.length > MAX_WORD)
        throw new Error(`an anchor has 1 to ${MAX_WORD} characters: '${word}'`);
    }
    const alphabet = [...new Set(folded.flatMap((word) => word.split('')))];
    this.width = alphabet.length + 1;
    alphabet.forEach((unit, index) => {
      this.columnOf[unit.charCodeAt(0)] = index + 1;
      this.columnOf[otherCase(unit).charCodeAt(0)] = index + 1;
    });

    const { children, endings, depths } = this.buildTrie(folded);
    this.endings = endings;
    this.next = this.linkFailures(children, endings);
    this.endsWord = Uint8Array.from(endings, (words) => (words.length > 0 ? 1 : 0));
    this.depth = Uint8Array.from(depths);
  }

  /** The words that end in a state, as indexes into the words given. */
  wordsEndingIn(state: number): readonly number[] {
    return this.endings[state] ?? [];
  }

  private buildTrie(words: readonly string[]): Trie {
    const children: Map<number, number>[] = [new Map()];
    const endings: number[][] = [[]];
    const depths = [0];
    words.forEach((word, wordIndex) => {
      let state = 0;
      for (let index = 0; index < word.length; index++) {
        const column = this.columnOf[word.charCodeAt(index)] ?? 0;
        let child = children[state]?.get(column);
        if (child === undefined) {
          child = children.length;
          children.push(new Map());
          endings.push([]);
          depths.push(index + 1);
          children[state]?.set(column, child);
        }
        state = child;
      }
      endings[state]?.push(wordIndex);
    });
    return { children, endings, depths };
  }

  /** Turns the trie into a table with a next state for every column, shortest states first. */
  private linkFailures(children: readonly Map<number, number>[], endings: number[][]): Uint16Array | Int32Array {
    const States = children.length <= UNITS ? Uint16Array : Int32Array;
    const next = new States(children.length * this.width);
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

/** In lower case unit by unit, so that nothing changes its length. */
function foldCase(word: string): string {
  return word
    .split('')
    .map((unit) => (unit.toLowerCase().length === 1 ? unit.toLowerCase() : unit))
    .join('');
}

/** The same unit as a capital, where that is one unit. */
function otherCase(unit: string): string {
  const capital = unit.toUpperCase();
  return capital.length === 1 && capital.toLowerCase() === unit ? capital : unit;
}
