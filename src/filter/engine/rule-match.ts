import type { ScanRule } from '../rules/scan-rule.js';

export interface RuleMatch {
  readonly rule: ScanRule;
  /** The whole match, with the names and quotes its pattern takes in. */
  readonly start: number;
  readonly end: number;
  /** The credential itself. */
  readonly secretStart: number;
  readonly secretEnd: number;
  /** Whether a checksum proves it. */
  readonly verified: boolean;
}

export interface TextMatches {
  readonly matches: readonly RuleMatch[];
  readonly isAscii: boolean;
  /** Whether a match may reach from a place that was read further than `NEAR` characters. */
  readonly reachesFar: boolean;
}
