import { BLANKS, CharacterSet, DIGITS, WORD } from '../engine/character-set.js';

/** A pattern as a tree. Every repetition has an upper bound: an unbounded one is refused while parsing. */
export type PatternNode =
  | { readonly kind: 'characters'; readonly set: CharacterSet }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | { readonly kind: 'group'; readonly name: string | null; readonly body: PatternNode }
  | { readonly kind: 'repeat'; readonly body: PatternNode; readonly min: number; readonly max: number };

export class PatternSyntaxError extends Error {}

/**
 * Reads the part of JavaScript's regular expressions that rules may use: literals, classes, `\d \w \s .`, groups,
 * choices, `?`, `{n}` and `{n,m}`. Anchors, look-around, back-references and everything without an upper bound
 * are refused: boundaries are decided in code, and work must be bounded.
 */
export function parsePattern(source: string, ignoreCase: boolean): PatternNode {
  const parser = new PatternParser(source, ignoreCase);
  return parser.parse();
}

class PatternParser {
  private index = 0;

  constructor(
    private readonly source: string,
    private readonly ignoreCase: boolean,
  ) {}

  parse(): PatternNode {
    const node = this.parseChoice();
    if (this.index < this.source.length) this.fail(`')' without '('`);
    return node;
  }

  private parseChoice(): PatternNode {
    const options = [this.parseSequence()];
    while (this.take('|')) options.push(this.parseSequence());
    return options.length === 1 && options[0] ? options[0] : { kind: 'choice', options };
  }

  private parseSequence(): PatternNode {
    const items: PatternNode[] = [];
    while (this.index < this.source.length && this.peek() !== '|' && this.peek() !== ')') {
      items.push(this.parseQuantified());
    }
    return { kind: 'sequence', items };
  }

  private parseQuantified(): PatternNode {
    const body = this.parseAtom();
    const next = this.peek();
    if (next === '*' || next === '+') this.fail(`'${next}' has no upper bound; write {n,m}`);
    if (this.take('?')) return { kind: 'repeat', body, min: 0, max: 1 };
    if (next !== '{') return body;
    const match = /^\{(\d{1,6})(,?)(\d{0,6})\}/.exec(this.source.slice(this.index));
    if (!match) this.fail(`'{' that is no quantifier; write \\{`);
    const [whole, low, comma, high] = match as RegExpExecArray & [string, string, string, string];
    if (comma !== '' && high === '') this.fail(`'${whole}' has no upper bound; write {n,m}`);
    this.index += whole.length;
    if (this.peek() === '?') this.fail('lazy quantifiers are not needed: every repetition is bounded');
    const min = Number(low);
    const max = comma === '' ? min : Number(high);
    if (max < min) this.fail(`'${whole}' has its bounds in the wrong order`);
    return { kind: 'repeat', body, min, max };
  }

  private parseAtom(): PatternNode {
    const character = this.source[this.index++] ?? '';
    switch (character) {
      case '(':
        return this.parseGroup();
      case '[':
        return this.characters(this.parseClass());
      case '.':
        return this.characters(CharacterSet.of('\n\r').complement());
      case '\\':
        return this.characters(this.parseEscape());
      case '^':
      case '$':
        return this.fail(`'${character}' is not needed: a pattern stands where its anchor is, boundaries are checked`);
      case '*':
      case '+':
      case '?':
      case '{':
        return this.fail(`'${character}' has nothing to repeat`);
      default:
        return this.characters(CharacterSet.of(character));
    }
  }

  private parseGroup(): PatternNode {
    let name: string | null = null;
    if (this.take('?')) {
      if (!this.take(':')) {
        const match = /^<([A-Za-z]\w{0,30})>/.exec(this.source.slice(this.index));
        if (!match) this.fail('look-around and flags are not supported');
        name = match?.[1] ?? null;
        this.index += match?.[0].length ?? 0;
      }
    }
    const body = this.parseChoice();
    if (!this.take(')')) this.fail(`'(' without ')'`);
    return { kind: 'group', name, body };
  }

  private parseClass(): CharacterSet {
    const negated = this.take('^');
    let set = CharacterSet.none;
    while (this.peek() !== ']') {
      if (this.index >= this.source.length) this.fail(`'[' without ']'`);
      const start = this.index;
      const first = this.parseClassAtom();
      const mayBeRange = this.peek() === '-' && this.source[this.index + 1] !== ']';
      if (!mayBeRange) {
        set = set.union(first);
        continue;
      }
      this.index++;
      const last = this.parseClassAtom();
      if (first.size !== 1 || last.size !== 1) this.fail(`bad range '${this.source.slice(start, this.index)}'`);
      set = set.union(CharacterSet.range(first.ascii.indexOf(1), last.ascii.indexOf(1)));
    }
    this.index++;
    return negated ? set.complement() : set;
  }

  private parseClassAtom(): CharacterSet {
    const character = this.source[this.index++] ?? '';
    return character === '\\' ? this.parseEscape() : CharacterSet.of(character);
  }

  private parseEscape(): CharacterSet {
    const character = this.source[this.index++] ?? '';
    switch (character) {
      case 'd':
        return DIGITS;
      case 'w':
        return WORD;
      case 's':
        return BLANKS;
      case 'n':
        return CharacterSet.of('\n');
      case 'r':
        return CharacterSet.of('\r');
      case 't':
        return CharacterSet.of('\t');
      default:
        if (character === '' || WORD.has(character.charCodeAt(0))) this.fail(`unsupported escape '\\${character}'`);
        return CharacterSet.of(character);
    }
  }

  private characters(set: CharacterSet): PatternNode {
    return { kind: 'characters', set: this.ignoreCase ? set.ignoringCase() : set };
  }

  private peek(): string | undefined {
    return this.source[this.index];
  }

  private take(character: string): boolean {
    if (this.source[this.index] !== character) return false;
    this.index++;
    return true;
  }

  private fail(reason: string): never {
    throw new PatternSyntaxError(`${reason} (at character ${this.index + 1} of the pattern)`);
  }
}
