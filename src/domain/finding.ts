import type { Classification } from './classification.js';

export type FilterAction = 'block' | 'redact' | 'flag' | { readonly raiseTo: Classification };

/** Something a filter saw. Says where and what kind, never the matched text. */
export interface Finding {
  /** The filter that saw it, e.g. `secrets`. */
  readonly filter: string;
  /** The rule's id, e.g. `aws-access-key-id`. */
  readonly rule: string;
  /** Where in the request, e.g. `messages[2].content[0].text`. */
  readonly path: string;
  readonly action: FilterAction;
}
