/**
 * The filters, as findings, metrics and overrides name them, in the order their findings are told in: secrets first,
 * then the rest.
 */
export const FILTER_NAMES = ['secrets', 'personal_data', 'terms', 'prompt_injection'] as const;
export type FilterName = (typeof FILTER_NAMES)[number];

/** Names findings of what no filter could read. */
export const MEDIA_FILTER = 'media';
/** Names findings about the search itself, which could not be done or was too much work. */
export const ENGINE_FILTER = 'engine';

/** `filter:NAME` in an override stands for all rules of a filter. */
export const FILTER_PREFIX = 'filter:';

export function isFilterName(name: string): name is FilterName {
  const names: readonly string[] = FILTER_NAMES;
  return names.includes(name);
}
