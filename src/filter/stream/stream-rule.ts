import type { FilterAction } from '../../domain/finding.js';
import type { CharacterSet } from '../engine/character-set.js';
import type { PartialPattern } from '../rules/partial-pattern.js';
import type { ScanRule } from '../rules/scan-rule.js';

/** What a rule needs to be looked for in a text that is still being written. */
export interface StreamRule {
  readonly rule: ScanRule;
  readonly index: number;
  readonly action: FilterAction;
  readonly partial: PartialPattern;
  /** Every character a match can hold. */
  readonly alphabet: CharacterSet;
  /** What would be acted upon begins behind the anchor: nothing is held before it. */
  readonly actsBehindAnchor: boolean;
  /**
   * What stands before the anchor is random, so that its beginning up to the first digit may go out: it tells nothing, and
   * every word of a sentence would have to wait otherwise.
   */
  readonly hasRandomLead: boolean;
}
