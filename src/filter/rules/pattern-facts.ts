import { CharacterSet } from '../engine/character-set.js';
import type { PatternNode } from './pattern-syntax.js';

/** What is known of a pattern without running it. */
export interface PatternFacts {
  readonly pattern: PatternNode;
  readonly minLength: number;
  readonly maxLength: number;
  /** Every character a match can hold. */
  readonly alphabet: CharacterSet;
  /** Every character a match can begin with. */
  readonly head: CharacterSet;
  /** Every character a match can end with. */
  readonly tail: CharacterSet;
  /** Every character the group `secret` can hold; the whole alphabet where there is no such group. */
  readonly secretAlphabet: CharacterSet;
  readonly hasSecretGroup: boolean;
  /** Why matching could take more than linear time; null where it cannot. */
  readonly ambiguity: string | null;
}

export function studyPattern(pattern: PatternNode): PatternFacts {
  const secret = findGroup(pattern, 'secret');
  const { min, max } = lengthOf(pattern);
  return {
    pattern,
    minLength: min,
    maxLength: max,
    alphabet: alphabetOf(pattern),
    head: edgeOf(pattern, 'first'),
    tail: edgeOf(pattern, 'last'),
    secretAlphabet: alphabetOf(secret ?? pattern),
    hasSecretGroup: secret !== null,
    ambiguity: findAmbiguity(pattern, []),
  };
}

function lengthOf(node: PatternNode): { min: number; max: number } {
  switch (node.kind) {
    case 'characters':
      return { min: 1, max: 1 };
    case 'group':
      return lengthOf(node.body);
    case 'repeat': {
      const body = lengthOf(node.body);
      return { min: body.min * node.min, max: body.max * node.max };
    }
    case 'sequence':
      return node.items.map(lengthOf).reduce((sum, item) => ({ min: sum.min + item.min, max: sum.max + item.max }), {
        min: 0,
        max: 0,
      });
    case 'choice': {
      const lengths = node.options.map(lengthOf);
      return {
        min: Math.min(...lengths.map(({ min }) => min)),
        max: Math.max(...lengths.map(({ max }) => max)),
      };
    }
    default:
      return unreachable(node);
  }
}

function alphabetOf(node: PatternNode): CharacterSet {
  switch (node.kind) {
    case 'characters':
      return node.set;
    case 'group':
    case 'repeat':
      return alphabetOf(node.body);
    case 'sequence':
      return unionOf(node.items.map(alphabetOf));
    case 'choice':
      return unionOf(node.options.map(alphabetOf));
    default:
      return unreachable(node);
  }
}

/** The characters a match of `node` can begin (or end) with. */
function edgeOf(node: PatternNode, side: 'first' | 'last'): CharacterSet {
  switch (node.kind) {
    case 'characters':
      return node.set;
    case 'group':
    case 'repeat':
      return edgeOf(node.body, side);
    case 'choice':
      return unionOf(node.options.map((option) => edgeOf(option, side)));
    case 'sequence': {
      let edge = CharacterSet.none;
      for (const item of side === 'first' ? node.items : [...node.items].reverse()) {
        edge = edge.union(edgeOf(item, side));
        if (lengthOf(item).min > 0) break;
      }
      return edge;
    }
    default:
      return unreachable(node);
  }
}

function findGroup(node: PatternNode, name: string): PatternNode | null {
  switch (node.kind) {
    case 'characters':
      return null;
    case 'group':
      return node.name === name ? node.body : findGroup(node.body, name);
    case 'repeat':
      return findGroup(node.body, name);
    case 'sequence':
      return firstFound(node.items, name);
    case 'choice':
      return firstFound(node.options, name);
    default:
      return unreachable(node);
  }
}

function firstFound(nodes: readonly PatternNode[], name: string): PatternNode | null {
  for (const node of nodes) {
    const found = findGroup(node, name);
    if (found) return found;
  }
  return null;
}

/**
 * A backtracking matcher is linear where every repetition of variable length stops at one place only: what follows
 * it begins with a character it cannot hold, before the next repetition that could take the same characters.
 * `following` is what comes after `node`, nearest first.
 */
function findAmbiguity(node: PatternNode, following: readonly PatternNode[]): string | null {
  switch (node.kind) {
    case 'characters':
      return null;
    case 'group':
      return findAmbiguity(node.body, following);
    case 'choice':
      return firstReason(node.options.map((option) => findAmbiguity(option, following)));
    case 'sequence':
      return firstReason(
        node.items.map((item, index) => findAmbiguity(item, [...node.items.slice(index + 1), ...following])),
      );
    case 'repeat': {
      if (node.max > 1 && hasRivalOptions(node.body)) return 'a repeated choice has options that begin alike';
      const inner = findAmbiguity(node.body, node.max > 1 ? [node.body, ...following] : following);
      if (inner) return inner;
      return isVariable(node) ? findRival(node, following) : null;
    }
    default:
      return unreachable(node);
  }
}

/**
 * Whether what follows a repetition could go on with the same characters. It is safe where the next thing begins with
 * a character that no further round begins with, or where a character outside the repetition's alphabet must come.
 */
function findRival(repetition: PatternNode, following: readonly PatternNode[]): string | null {
  const head = edgeOf(repetition, 'first');
  const alphabet = alphabetOf(repetition);
  let alike = false;
  for (const item of following) {
    const overlaps = edgeOf(item, 'first').overlaps(alike ? alphabet : head);
    if (overlaps && isVariable(item)) return 'two repetitions that can hold the same characters follow each other';
    if (lengthOf(item).min === 0) continue;
    if (!overlaps || isSeparator(item, alphabet)) return null;
    alike = true;
  }
  return null;
}

function isVariable(node: PatternNode): boolean {
  const { min, max } = lengthOf(node);
  return max > min;
}

function hasRivalOptions(node: PatternNode): boolean {
  switch (node.kind) {
    case 'characters':
      return false;
    case 'group':
    case 'repeat':
      return hasRivalOptions(node.body);
    case 'sequence':
      return node.items.some(hasRivalOptions);
    case 'choice': {
      const heads = node.options.map((option) => edgeOf(option, 'first'));
      const alike = heads.some((head, index) => heads.slice(index + 1).some((other) => head.overlaps(other)));
      return alike || node.options.some(hasRivalOptions);
    }
    default:
      return unreachable(node);
  }
}

/** Whether every match of `node` holds a character outside `set`. */
function isSeparator(node: PatternNode, set: CharacterSet): boolean {
  switch (node.kind) {
    case 'characters':
      return !node.set.overlaps(set);
    case 'group':
      return isSeparator(node.body, set);
    case 'repeat':
      return node.min > 0 && isSeparator(node.body, set);
    case 'choice':
      return node.options.every((option) => isSeparator(option, set));
    case 'sequence':
      return node.items.some((item) => lengthOf(item).min > 0 && isSeparator(item, set));
    default:
      return unreachable(node);
  }
}

function firstReason(reasons: readonly (string | null)[]): string | null {
  return reasons.find((reason) => reason !== null) ?? null;
}

function unionOf(sets: readonly CharacterSet[]): CharacterSet {
  return sets.reduce((union, set) => union.union(set), CharacterSet.none);
}

function unreachable(node: never): never {
  throw new Error(`unknown pattern node ${JSON.stringify(node)}`);
}
