import type { CharacterSet } from './character-set.js';

/** So many characters are told apart. */
export const ASCII = 128;
/** Beyond it the numbers begin again, long before they would stop being exact or small. */
const MAX_BASE = 2 ** 30;

/** A set of characters as its runs are looked for. */
export interface RunSet {
  /** See `membersOf`. */
  readonly members: Uint8Array;
  /** Where the memory keeps what it knows of its runs. */
  readonly slot: number;
}

/** One byte per ASCII code and one, the last, for all others: 1 where it belongs to the set. */
export function membersOf(set: CharacterSet): Uint8Array {
  const members = new Uint8Array(ASCII + 1);
  members.set(set.ascii);
  members[ASCII] = set.beyondAscii ? 1 : 0;
  return members;
}

/**
 * Remembers for each set of characters the run it measured last, so that however often a pattern is tried, no place is
 * read twice for it. Shared by all scans: each has numbers of its own for the places in its text.
 */
export class RunMemory {
  private readonly from: number[] = [];
  private readonly to: number[] = [];
  private readonly known = new Map<string, RunSet>();
  private base = 0;

  /** `turn`: sets that one pattern uses one after the other do not share what is remembered. */
  register(set: CharacterSet, turn: number): RunSet {
    const members = membersOf(set);
    const identity = `${turn} ${members.join('')}`;
    const known = this.known.get(identity) ?? { members, slot: this.from.length };
    if (known.slot === this.from.length) {
      this.known.set(identity, known);
      this.from.push(-1);
      this.to.push(-1);
    }
    return known;
  }

  /** What to add to the places of a text so long, so that they are no other text's. */
  takeBase(length: number): number {
    if (this.base > MAX_BASE) {
      this.base = 0;
      this.from.fill(-1);
      this.to.fill(-1);
    }
    const base = this.base;
    this.base += length + 1;
    return base;
  }

  /** How many characters from `at` on belong to the set; `atMost` where there are more. */
  measure(set: RunSet, units: Uint16Array, length: number, base: number, at: number, atMost: number): number {
    const { members, slot } = set;
    const place = base + at;
    const to = this.to[slot] ?? -1;
    const isKnown = place <= to && (this.from[slot] ?? 0) <= place;
    const stop = Math.min(length, at + atMost);
    let end = isKnown ? to - base : at;
    while (end < stop && members[Math.min(units[end] ?? 0, ASCII)] === 1) end++;
    if (!isKnown) this.from[slot] = place;
    if (!isKnown || base + end > to) this.to[slot] = base + end;
    return Math.min(end, stop) - at;
  }
}
