import { type PatternNode, parsePattern } from '../rules/pattern-syntax.js';
import { CharacterSet } from './character-set.js';
import type { RunMemory, RunSet } from './run-memory.js';

/** A stretch of characters of one set. */
interface Piece {
  readonly set: RunSet;
  readonly min: number;
  readonly max: number;
  /** Whether the stretch can only end where its characters do, or after `max` of them where that is `min`. */
  readonly isClear: boolean;
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
  private constructor(private readonly ways: readonly (readonly Piece[])[]) {}

  /** `beginning` is what stands there already; the outline is that of the rest. Null where nothing can be said. */
  static of(pattern: string, ignoreCase: boolean, beginning: string, memory: RunMemory): PatternOutline | null {
    let ways: PatternNode[][] = [[parsePattern(pattern, ignoreCase)]];
    for (let index = 0; index < beginning.length; index++) {
      const code = beginning.charCodeAt(index);
      ways = ways.flatMap((way) => advance(way, code));
      if (ways.length > MAX_WAYS) return null;
    }
    const outlines = ways.map((way) => toPieces(way, memory));
    return outlines.length === 0 || outlines.some((pieces) => pieces.length === 0)
      ? null
      : new PatternOutline(outlines);
  }

  /** Whether the pattern can match a text of so many units whose rest begins at `at`; `base` as the memory gave it. */
  mayMatch(units: Uint16Array, length: number, at: number, base: number, memory: RunMemory): boolean {
    for (const way of this.ways) if (mayGo(way, units, length, at, base, memory)) return true;
    return false;
  }
}

function mayGo(
  way: readonly Piece[],
  units: Uint16Array,
  length: number,
  from: number,
  base: number,
  memory: RunMemory,
): boolean {
  let at = from;
  for (const { set, min, max, isClear } of way) {
    if (max === 1 && min === 1) {
      if (at >= length || set.members[Math.min(units[at] ?? 0, 128)] !== 1) return false;
      at++;
      continue;
    }
    const run = memory.measure(set, units, length, base, at, max);
    if (run < min) return false;
    if (!isClear) return true;
    at += run;
  }
  return true;
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

function toPieces(way: readonly PatternNode[], memory: RunMemory): Piece[] {
  const open: OpenPiece[] = [];
  const isWhole = way.every((node) => flatten(node, open));
  return open.map(({ set, min, max }, index) => ({
    set: memory.register(set, index),
    min,
    max,
    isClear: min === max || isClearBefore(set, open.slice(index + 1), isWhole),
  }));
}

/** Whether what follows cannot begin with one of the set. */
function isClearBefore(set: CharacterSet, following: readonly OpenPiece[], isWhole: boolean): boolean {
  for (const piece of following) {
    if (piece.set.overlaps(set)) return false;
    if (piece.min > 0) return true;
  }
  return isWhole;
}

/** Adds the pieces of a node; false where it is more than stretches one after the other. */
function flatten(node: PatternNode, pieces: OpenPiece[]): boolean {
  if (pieces.length >= MAX_PIECES) return false;
  switch (node.kind) {
    case 'characters':
      pieces.push({ set: node.set, min: 1, max: 1 });
      return true;
    case 'group':
      return flatten(node.body, pieces);
    case 'sequence':
      return node.items.every((item) => flatten(item, pieces));
    case 'choice':
      return false;
    case 'repeat': {
      const { body, min, max } = node;
      if (max === 0) return true;
      const set = setOf(body);
      if (set) {
        pieces.push({ set, min, max });
        return true;
      }
      for (let copy = 0; copy < Math.min(min, MAX_COPIES); copy++) if (!flatten(body, pieces)) return false;
      return min === max && max <= MAX_COPIES;
    }
    default:
      return unreachable(node);
  }
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
