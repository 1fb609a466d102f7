import type { CharacterSet } from '../engine/character-set.js';
import { type PatternNode, parsePattern } from './pattern-syntax.js';

const SECRET_GROUP = 'secret';
const LAST_ASCII = 127;

/** Tells of a text that breaks off whether it could still become a match. */
export class PartialPattern {
  private readonly matcher: RegExp;

  private constructor(
    source: string,
    private readonly hasSecretGroup: boolean,
  ) {
    this.matcher = new RegExp(source, hasSecretGroup ? 'yd' : 'y');
  }

  /**
   * Of a rule's pattern: a second expression that matches every beginning of a match that reaches the end of the text,
   * whole matches too. As linear as the pattern is: wherever it can stop it looks for the end of the text once.
   */
  static of(pattern: string, ignoreCase: boolean): PartialPattern {
    const tree = parsePattern(pattern, ignoreCase);
    return new PartialPattern(beginningOf([tree]), holdsSecretGroup(tree));
  }

  /** Whether `text` from `start` to its end is the beginning of a match. */
  isViable(text: string, start: number): boolean {
    this.matcher.lastIndex = start;
    return this.matcher.test(text);
  }

  /**
   * Where the part that would be acted upon begins: at `start`, or where the group `secret` does; the end of the text
   * where that group has not begun. Null where the text is not viable.
   */
  findSecret(text: string, start: number): number | null {
    if (!this.hasSecretGroup) return this.isViable(text, start) ? start : null;
    this.matcher.lastIndex = start;
    const found = this.matcher.exec(text);
    if (!found) return null;
    const mark = found.indices?.find((range, index) => index > 0 && range !== undefined);
    return mark?.[0] ?? text.length;
  }
}

/** Every beginning of a match of these nodes, one after the other, up to the end of the text. */
function beginningOf(nodes: readonly PatternNode[]): string {
  const [first, ...rest] = nodes;
  if (!first) return '$';
  if (first.kind === 'sequence') return beginningOf([...first.items, ...rest]);
  return `(?:${wholeOf(first)}${beginningOf(rest)}|${brokenOff(first)})`;
}

/** A node that breaks off at the end of the text. */
function brokenOff(node: PatternNode): string {
  switch (node.kind) {
    case 'characters':
      return '$';
    case 'sequence':
      return beginningOf(node.items);
    case 'choice':
      return `(?:${node.options.map(brokenOff).join('|')})`;
    case 'group':
      return markOf(node) + brokenOff(node.body);
    case 'repeat':
      return node.body.kind === 'characters'
        ? `${wholeOf(node.body)}{0,${node.max}}$`
        : `${wholeOf(node.body)}{0,${Math.max(0, node.max - 1)}}${brokenOff(node.body)}`;
    default:
      return node satisfies never;
  }
}

function wholeOf(node: PatternNode): string {
  switch (node.kind) {
    case 'characters':
      return classOf(node.set);
    case 'sequence':
      return `(?:${node.items.map(wholeOf).join('')})`;
    case 'choice':
      return `(?:${node.options.map(wholeOf).join('|')})`;
    case 'group':
      return `(?:${markOf(node)}${wholeOf(node.body)})`;
    case 'repeat':
      return `${wholeOf(node.body)}{${node.min},${node.max}}`;
    default:
      return node satisfies never;
  }
}

/** An empty group: its index in the text is where the secret begins. */
function markOf({ name }: { readonly name: string | null }): string {
  return name === SECRET_GROUP ? '()' : '';
}

function classOf(set: CharacterSet): string {
  const ranges: string[] = [];
  for (let code = 0; code <= LAST_ASCII; code++) {
    if (!set.has(code)) continue;
    const from = code;
    while (code < LAST_ASCII && set.has(code + 1)) code++;
    ranges.push(from === code ? escapeOf(from) : `${escapeOf(from)}-${escapeOf(code)}`);
  }
  if (set.beyondAscii) ranges.push('\\u0080-\\uffff');
  return `[${ranges.join('')}]`;
}

function escapeOf(code: number): string {
  return `\\x${code.toString(16).padStart(2, '0')}`;
}

function holdsSecretGroup(node: PatternNode): boolean {
  switch (node.kind) {
    case 'characters':
      return false;
    case 'sequence':
      return node.items.some(holdsSecretGroup);
    case 'choice':
      return node.options.some(holdsSecretGroup);
    case 'group':
      return node.name === SECRET_GROUP || holdsSecretGroup(node.body);
    case 'repeat':
      return holdsSecretGroup(node.body);
    default:
      return node satisfies never;
  }
}
