import type { Candidate } from '../choice.js';
import type { StreamRule } from './stream-rule.js';

/** A match in a text that is still being written. Indexes count UTF-16 units from the text's beginning. */
export interface StreamMatch extends Candidate {
  readonly source: StreamRule;
  /** A piece of something whose end is not known yet: all of it goes, and one marker stands for it. */
  readonly drop: 'begins' | 'goes on' | null;
}
