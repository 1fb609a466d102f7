import type { RuleActions } from '../../domain/finding.js';
import type { CharacterSet } from '../engine/character-set.js';
import type { Validator } from '../engine/validators.js';

export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface RuleContext {
  /** Lower case; one of them must be near. */
  readonly words: readonly string[];
  /** How far before or after the match, in characters. */
  readonly within: number;
}

/** One kind of thing, ready to be looked for. Made by the rule loader. */
export interface ScanRule {
  readonly id: string;
  readonly vendor: string;
  readonly type: string;
  readonly severity: Severity;
  /** The filter it belongs to, e.g. `secrets`. */
  readonly filter: string;
  readonly actions: RuleActions;
  /** As written. Found ignoring case; then compared exactly unless `ignoreCase`. */
  readonly anchors: readonly string[];
  /** What the pattern is tried at: one of the anchors, or the first digit of every number; then there are no anchors. */
  readonly startsAt: 'anchor' | 'digit';
  /** How many digits every match holds from its first digit on, over separators; 0 where there are anchors. */
  readonly minDigits: number;
  /** The same without separators: how many digits follow the first one at once, with it. */
  readonly minRun: number;
  readonly ignoreCase: boolean;
  /**
   * Null: the pattern stands where the anchor does. Else the anchor is a name (`heroku`) and the pattern is that of
   * its value, which begins at most so many characters after it.
   */
  readonly valueWithin: number | null;
  /** The anchor stands inside the match: the pattern begins at most so many characters before it. */
  readonly lead: number;
  /** As written in the rule: the source of `matcher`. */
  readonly pattern: string;
  /** Sticky; group `secret`, where there is one, is the part to redact. */
  readonly matcher: RegExp;
  readonly hasSecretGroup: boolean;
  readonly minLength: number;
  /** The longest text the pattern matches. */
  readonly patternLength: number;
  /** The longest text the rule takes, up to its closing. */
  readonly maxLength: number;
  /** What a value can begin with; used to find values after a name. */
  readonly head: CharacterSet;
  /** A match preceded by one of these is part of something longer; null where the match delimits itself. */
  readonly before: CharacterSet | null;
  /** A match followed by one of these is part of something longer; null where the match delimits itself. */
  readonly after: CharacterSet | null;
  /** Characters a match can hold, where it is one run of them; null where it holds blanks or quotes. */
  readonly run: CharacterSet | null;
  /** Shannon entropy in bits a character; 0 = not asked for. */
  readonly minEntropy: number;
  readonly validators: readonly Validator[];
  readonly context: RuleContext | null;
  /** Matches of these are documented examples, not credentials. */
  readonly allow: readonly RegExp[];
  /**
   * The pattern is only an opening line: encoded text must follow, and the match reaches to this text, or to the end of
   * what is encoded where it does not come within `maxLength`.
   */
  readonly closing: string | null;
  /** Where the vendor documents the format; null where nobody does, as for an operator's own rules. */
  readonly source: string | null;
}
