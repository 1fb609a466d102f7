/** How every marker that stands for a value begins: `[[AEGIS:EMAIL_ADDRESS:0123456789ab]]`. */
export const MARKER_HEAD = '[[AEGIS:';
/** Longer rule ids are cut. */
export const MAX_MARKER_RULE_LENGTH = 64;
export const MARKER_DIGEST_DIGITS = 12;
/** No marker is longer, in characters. */
export const MAX_MARKER_LENGTH = MARKER_HEAD.length + MAX_MARKER_RULE_LENGTH + 1 + MARKER_DIGEST_DIGITS + 2;

/** Every text of a marker's form, whoever wrote it. */
export const MARKER_PATTERN = new RegExp(
  `\\[\\[AEGIS:[A-Z0-9_]{1,${MAX_MARKER_RULE_LENGTH}}:[0-9a-f]{${MARKER_DIGEST_DIGITS}}\\]\\]`,
  'g',
);

/** The markers that were put into one request, and what they took the place of. */
export interface MarkerSource {
  /** Null where the marker was not issued in this request. */
  valueOf(marker: string): string | null;
}

/**
 * Puts the values back in the place of the markers issued. With `json` the text is JSON itself, as a tool call's
 * arguments are, and the values are written as inside a JSON string.
 */
export function restoreMarkers(text: string, source: MarkerSource, form: 'text' | 'json'): string {
  if (!text.includes(MARKER_HEAD)) return text;
  return text.replace(MARKER_PATTERN, (marker) => {
    const value = source.valueOf(marker);
    if (value === null) return marker;
    return form === 'json' ? JSON.stringify(value).slice(1, -1) : value;
  });
}
