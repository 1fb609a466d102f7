import type { Classification } from './classification.js';

/** `pseudonymize`: a name made from the value takes its place, and gives way to the value again in the answer. */
export type FilterAction = 'block' | 'redact' | 'pseudonymize' | 'flag' | { readonly raiseTo: Classification };

export const FILTER_DIRECTIONS = ['request', 'response'] as const;
export type FilterDirection = (typeof FILTER_DIRECTIONS)[number];

/** What a rule itself asks for; null = as configured. */
export interface RuleActions {
  readonly request: FilterAction | 'off' | null;
  readonly response: FilterAction | 'off' | null;
}

export const AS_CONFIGURED: RuleActions = { request: null, response: null };

/**
 * A finding's path as a JSON pointer (RFC 6901), e.g. `/messages/2/content/0/text`. A member whose name is not shown
 * ends it: it then points to what holds that member.
 */
export function pointerOf(path: string): string {
  const names = path.split(/[.[\]]+/).filter((name) => name !== '');
  const hidden = names.indexOf('*');
  return (hidden === -1 ? names : names.slice(0, hidden)).map((name) => `/${name}`).join('');
}

/** Something a filter saw. Says where and what kind, never the matched text. */
export interface Finding {
  /** The filter that saw it, e.g. `secrets`. */
  readonly filter: string;
  /** The rule's id, e.g. `aws-access-key-id`. */
  readonly rule: string;
  /** Where, e.g. `messages[2].content[0].text`; of an answer e.g. `choices[0].message.content`. */
  readonly path: string;
  readonly action: FilterAction;
}
