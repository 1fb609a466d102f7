import { type PatternNode, parsePattern } from '../rules/pattern-syntax.js';
import { ADORNMENTS } from './boundaries.js';
import { CharacterSet } from './character-set.js';
import { ASCII, membersOf, type RunMemory, type RunSet } from './run-memory.js';

/** A stretch of characters of one set. */
interface Piece {
  readonly set: RunSet;
  readonly min: number;
  readonly max: number;
  /** Whether the stretch can only end where its characters do, or after `max` of them where that is `min`. */
  readonly isClear: boolean;
}

/** Stretches one after the other; `isWhole` where the match ends with the last. */
interface Way {
  readonly pieces: readonly Piece[];
  readonly isWhole: boolean;
}

/** What an outline is made of. */
export interface OutlinedRule {
  readonly pattern: string;
  readonly ignoreCase: boolean;
  readonly after: CharacterSet | null;
}

interface OpenPiece {
  readonly set: CharacterSet;
  readonly min: number;
  readonly max: number;
}

/** More ways to go on than these are left to the pattern itself. */
const MAX_WAYS = 8;
const MAX_COPIES = 8;
const MAX_PIECES = 24;

/**
 * What every match of a pattern looks like from its anchor on, as stretches of characters: as far as it can be said
 * without choices. Refuses in a few steps nearly every place where the pattern does not match, and never one where it
 * does.
 */
export class PatternOutline {
  private constructor(
    private readonly ways: readonly Way[],
    /** What a token may not be followed by. */
    private readonly after: Uint8Array,
  ) {}

  /** `beginning` is what stands there already; the outline is that of the rest. Null where nothing can be said. */
  static of(rule: OutlinedRule, beginning: string, memory: RunMemory): PatternOutline | null {
    let ways: PatternNode[][] = [[parsePattern(rule.pattern, rule.ignoreCase)]];
    for (let index = 0; index < beginning.length; index++) {
      const code = beginning.charCodeAt(index);
      ways = ways.flatMap((way) => advance(way, code));
      if (ways.length > MAX_WAYS) return null;
    }
    const outlines = ways.flatMap((way) => spread(way, []).map((each) => toWay(each, memory)));
    if (outlines.length > MAX_WAYS) return null;
    if (outlines.length === 0 || outlines.some(({ pieces }) => pieces.length === 0)) return null;
    return new PatternOutline(outlines, membersOf((rule.after ?? CharacterSet.none).minus(ADORNMENTS)));
  }

  /** Whether the pattern can match a text of so many units whose rest begins at `at`; `base` as the memory gave it. */
  mayMatch(units: Uint16Array, length: number, at: number, base: number, memory: RunMemory): boolean {
    for (const way of this.ways) if (mayGo(way, this.after, units, length, at, base, memory)) return true;
    return false;
  }
}

function mayGo(
  way: Way,
  after: Uint8Array,
  units: Uint16Array,
  length: number,
  from: number,
  base: number,
  memory: RunMemory,
): boolean {
  let at = from;
  for (const { set, min, max, isClear } of way.pieces) {
    if (max === 1 && min === 1) {
      if (at >= length || set.members[Math.min(units[at] ?? 0, ASCII)] !== 1) return false;
      at++;
      continue;
    }
    const run = memory.measure(set, units, length, base, at, max);
    if (run < min) return false;
    if (!isClear) return true;
    at += run;
  }
  return !way.isWhole || at >= length || after[Math.min(units[at] ?? 0, ASCII)] !== 1;
}

/** What can follow where a match begins with the character. */
function advance(way: readonly PatternNode[], code: number): PatternNode[][] {
  const [first, ...rest] = way;
  if (!first) return [];
  switch (first.kind) {
    case 'characters':
      return first.set.has(code) ? [rest] : [];
    case 'sequence':
      return advance([...first.items, ...rest], code);
    case 'group':
      return advance([first.body, ...rest], code);
    case 'choice':
      return first.options.flatMap((option) => advance([option, ...rest], code));
    case 'repeat': {
      const { body, min, max } = first;
      const again: PatternNode = { kind: 'repeat', body, min: Math.max(0, min - 1), max: max - 1 };
      const entered = max > 0 ? advance([body, again, ...rest], code) : [];
      return min === 0 ? [...entered, ...advance(rest, code)] : entered;
    }
    default:
      return unreachable(first);
  }
}

function toWay({ pieces: open, isWhole }: Spread, memory: RunMemory): Way {
  const pieces = open.map(({ set, min, max }, index) => ({
    set: memory.register(set, index),
    min,
    max,
    isClear: min === max || isClearBefore(set, open.slice(index + 1), isWhole),
  }));
  return { pieces, isWhole };
}

/** Whether what follows cannot begin with one of the set. */
function isClearBefore(set: CharacterSet, following: readonly OpenPiece[], isWhole: boolean): boolean {
  for (const piece of following) {
    if (piece.set.overlaps(set)) return false;
    if (piece.min > 0) return true;
  }
  return isWhole;
}

/** Pieces one after the other; `isWhole` where nothing can come behind them. */
interface Spread {
  readonly pieces: readonly OpenPiece[];
  readonly isWhole: boolean;
}

/** The ways a match can go on behind `pieces`; where they are too many, none of them is said. */
function spread(nodes: readonly PatternNode[], pieces: readonly OpenPiece[]): Spread[] {
  const [first, ...rest] = nodes;
  if (!first) return [{ pieces, isWhole: true }];
  const untold = [{ pieces, isWhole: false }];
  if (pieces.length >= MAX_PIECES) return untold;
  const set = setOf(first);
  if (set) return spread(rest, [...pieces, { set, min: 1, max: 1 }]);
  switch (first.kind) {
    case 'characters':
      return untold;
    case 'group':
      return spread([first.body, ...rest], pieces);
    case 'sequence':
      return spread([...first.items, ...rest], pieces);
    case 'choice':
      return spreadAll(
        first.options.map((option) => [option, ...rest]),
        pieces,
      );
    case 'repeat':
      return spreadRepeat(first, rest, pieces);
    default:
      return unreachable(first);
  }
}

function spreadRepeat(
  { body, min, max }: PatternNode & { kind: 'repeat' },
  rest: readonly PatternNode[],
  pieces: readonly OpenPiece[],
): Spread[] {
  const set = setOf(body);
  if (set && max > 0) return spread(rest, [...pieces, { set, min, max }]);
  if (max > MAX_COPIES) {
    const known = spread(Array<PatternNode>(Math.min(min, MAX_COPIES)).fill(body), pieces);
    return known.map((way) => ({ ...way, isWhole: false }));
  }
  const counts = Array.from({ length: max - min + 1 }, (_, index) => min + index);
  return spreadAll(
    counts.map((count) => [...Array<PatternNode>(count).fill(body), ...rest]),
    pieces,
  );
}

function spreadAll(ways: readonly (readonly PatternNode[])[], pieces: readonly OpenPiece[]): Spread[] {
  const found: Spread[] = [];
  for (const way of ways) {
    found.push(...spread(way, pieces));
    if (found.length > MAX_WAYS) return [{ pieces, isWhole: false }];
  }
  return found;
}

/** The set of a node that is one character; null where it is anything else. */
function setOf(node: PatternNode): CharacterSet | null {
  if (node.kind === 'characters') return node.set;
  if (node.kind === 'group') return setOf(node.body);
  if (node.kind === 'sequence') return node.items.length === 1 && node.items[0] ? setOf(node.items[0]) : null;
  if (node.kind !== 'choice') return null;
  const sets = node.options.map(setOf);
  return sets.reduce((union, set) => union && set && union.union(set), CharacterSet.none as CharacterSet | null);
}

function unreachable(node: never): never {
  throw new Error(`unknown pattern node ${JSON.stringify(node)}`);
}
