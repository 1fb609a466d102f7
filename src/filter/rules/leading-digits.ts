import { DIGITS, NUMBER_SEPARATORS } from '../engine/character-set.js';
import type { PatternNode } from './pattern-syntax.js';

interface Count {
  readonly digits: number;
  /** Whether more digits can be counted on behind it. */
  readonly ends: 'never' | 'after digits' | 'at once';
}

/**
 * How many digits every match of a pattern holds from its first digit on, over what separates the digits of a number. Letters and
 * signs before (`DE89`, `+49`) do not count; where a letter or a digit can stand in one place, the count ends.
 */
export function countLeadingDigits(pattern: PatternNode): number {
  return count(pattern).digits;
}

function count(node: PatternNode): Count {
  switch (node.kind) {
    case 'characters':
      if (node.set.minus(DIGITS).size === 0) return { digits: node.set.beyondAscii ? 0 : 1, ends: 'never' };
      if (node.set.overlaps(DIGITS)) return { digits: 0, ends: 'at once' };
      return { digits: 0, ends: node.set.minus(NUMBER_SEPARATORS).size > 0 ? 'after digits' : 'never' };
    case 'group':
      return count(node.body);
    case 'repeat': {
      const { digits, ends } = count(node.body);
      return { digits: digits * (ends === 'never' ? node.min : Math.min(1, node.min)), ends };
    }
    case 'choice': {
      const options = node.options.map(count);
      const ends = (['at once', 'after digits'] as const).find((end) => options.some((option) => option.ends === end));
      return { digits: Math.min(...options.map(({ digits }) => digits)), ends: ends ?? 'never' };
    }
    case 'sequence':
      return countSequence(node.items);
    default:
      return unreachable(node);
  }
}

function countSequence(items: readonly PatternNode[]): Count {
  let digits = 0;
  let ends: Count['ends'] = 'never';
  for (const item of items) {
    const next = count(item);
    digits += next.digits;
    if (next.ends === 'at once' || (next.ends === 'after digits' && digits > 0)) return { digits, ends: 'at once' };
    if (next.ends === 'after digits') ends = next.ends;
  }
  return { digits, ends };
}

function unreachable(node: never): never {
  throw new Error(`unknown pattern node ${JSON.stringify(node)}`);
}
