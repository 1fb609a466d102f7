import type { RuleActions } from './finding.js';

/** From `start` up to `end`, in UTF-16 indexes of a text. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** A match in one text. Offsets are UTF-16 indexes into the text given; they hold what is acted upon. */
export interface Detection extends TextRange {
  /** The filter's name as findings and metrics show it, e.g. `secrets`. */
  readonly filter: string;
  readonly rule: string;
  /** What the rule itself asks for. */
  readonly actions: RuleActions;
  /** The match with the names and quotes around what is acted upon, where it is more than that. */
  readonly whole?: TextRange;
}
