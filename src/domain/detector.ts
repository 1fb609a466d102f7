import type { RuleActions } from './finding.js';

/** A match in one text. Offsets are UTF-16 indexes into the text given. */
export interface Detection {
  /** The filter's name as findings and metrics show it, e.g. `secrets`. */
  readonly filter: string;
  readonly rule: string;
  /** What the rule itself asks for. */
  readonly actions: RuleActions;
  readonly start: number;
  readonly end: number;
}
