import { READ_ON, type Reading } from './anchor-filter.js';
import type { ContextPlaces } from './context-words.js';
import type { RuleMatch, TextMatches } from './rule-match.js';
import type { ScanBudget } from './scan-budget.js';
import type { ScanText } from './scan-text.js';

const LAST_ASCII = 0x7f;

/** How far a scan has come. */
export class ScanPass implements TextMatches, Reading {
  readonly matches: RuleMatch[] = [];
  bits = 0;
  reachesFar = false;
  /** The next unit to read, and where reading ends: so far behind the stretch that the filter sees its last units. */
  index = 0;
  end = 0;
  /** Up to where the automaton has read, and its state there. */
  followedTo = 0;
  state = 0;
  /** For each rule, up to where its matches and values have been looked for; null while that is nowhere. */
  private searched: Int32Array | null = null;
  /** For each rule, from where to where the characters are known to be such as its matches begin with; see `leadsOf`. */
  private leads: Int32Array | null = null;
  /** Where the words of numbers' contexts stand; null while nobody asked. */
  contexts: ContextPlaces | null = null;

  constructor(
    readonly text: ScanText,
    readonly budget: ScanBudget,
    readonly base: number,
  ) {}

  enter(start: number, end: number): void {
    this.index = Math.max(this.index, start);
    this.end = end === 0 ? 0 : end + READ_ON;
  }

  get isAscii(): boolean {
    return this.bits <= LAST_ASCII;
  }

  leadsOf(rules: number): Int32Array {
    this.leads ??= new Int32Array(2 * rules);
    return this.leads;
  }

  searchedTo(rule: number): number {
    return this.searched?.[rule] ?? 0;
  }

  setSearchedTo(rule: number, place: number, rules: number): void {
    this.searched ??= new Int32Array(rules);
    this.searched[rule] = place;
  }
}
