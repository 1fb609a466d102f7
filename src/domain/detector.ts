import type { FilterAction } from './finding.js';

/** A match in one text. Offsets are UTF-16 indexes into the text given to `detect`. */
export interface Detection {
  readonly rule: string;
  readonly action: FilterAction;
  readonly start: number;
  readonly end: number;
}

/** Finds things in a text. Pure and linear in the text's length; throws rather than miss silently. */
export interface Detector {
  /** The filter's name as findings and metrics show it. */
  readonly name: string;
  detect(text: string): readonly Detection[];
}
