import { type CharacterSet, DIGITS } from '../engine/character-set.js';
import type { PatternNode } from './pattern-syntax.js';

/** How far a count has come. Where in doubt it has ended: too low a count only costs time. */
interface Count {
  readonly digits: number;
  /** Whether the first digit may have come. */
  readonly started: boolean;
  readonly ended: boolean;
}

/**
 * How many digits every match of a pattern holds from its first digit on, over separators. Letters and signs before (`DE89`,
 * `+49`) do not count; where a letter or a digit can stand in one place, the count ends.
 */
export function countLeadingDigits(pattern: PatternNode, separators: CharacterSet): number {
  return count(pattern, false, separators).digits;
}

function count(node: PatternNode, started: boolean, separators: CharacterSet): Count {
  switch (node.kind) {
    case 'characters':
      return countCharacter(node.set, started, separators);
    case 'group':
      return count(node.body, started, separators);
    case 'repeat':
      return countRepeated(node.body, node.min, node.max, started, separators);
    case 'choice': {
      const options = node.options.map((option) => count(option, started, separators));
      return {
        digits: Math.min(...options.map(({ digits }) => digits)),
        started: options.some((option) => option.started),
        ended: options.some(({ ended }) => ended),
      };
    }
    case 'sequence':
      return countSequence(node.items, started, separators);
    default:
      return unreachable(node);
  }
}

function countCharacter(set: CharacterSet, started: boolean, separators: CharacterSet): Count {
  if (set.minus(DIGITS).size === 0 && !set.beyondAscii) return { digits: 1, started: true, ended: false };
  const other = set.minus(separators).size > 0 || set.beyondAscii;
  return { digits: 0, started, ended: set.overlaps(DIGITS) || (started && other) };
}

function countRepeated(body: PatternNode, min: number, max: number, started: boolean, separators: CharacterSet): Count {
  const first = count(body, started, separators);
  if (min === 0) return { digits: 0, started: first.started, ended: first.ended };
  if (first.ended || max === 1) return first;
  const further = count(body, first.started, separators);
  const rounds = further.ended ? Math.min(1, min - 1) : min - 1;
  return { digits: first.digits + further.digits * rounds, started: further.started, ended: further.ended };
}

function countSequence(items: readonly PatternNode[], started: boolean, separators: CharacterSet): Count {
  let counted: Count = { digits: 0, started, ended: false };
  for (const item of items) {
    const next = count(item, counted.started, separators);
    counted = { ...next, digits: counted.digits + next.digits };
    if (counted.ended) break;
  }
  return counted;
}

function unreachable(node: never): never {
  throw new Error(`unknown pattern node ${JSON.stringify(node)}`);
}
