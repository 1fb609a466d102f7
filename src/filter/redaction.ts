import type { TextRange } from '../domain/detector.js';
import { MARKER_PATTERN } from '../domain/pseudonym.js';
import type { RequestText } from './text-walker.js';

/** One thing to take out of a text; offsets are those of the label and the value together. */
export interface Rewrite {
  readonly text: RequestText;
  readonly rule: string;
  readonly action: 'redact' | 'pseudonymize';
  readonly start: number;
  readonly end: number;
}

/** What takes a value's place. */
export type MarkerMaker = (rewrite: Pick<Rewrite, 'rule' | 'action'>, value: string) => string;

export function markerOf(rule: string): string {
  return `[REDACTED:${rule}]`;
}

const REDACTION_PATTERN = /\[REDACTED:[a-z0-9-]+\]/g;

/** Where a text holds what stands in the place of something else, whoever wrote it; in the text's order. */
export function findMarkers(text: string): readonly TextRange[] {
  return [REDACTION_PATTERN, MARKER_PATTERN]
    .flatMap((pattern) =>
      [...text.matchAll(pattern)].map(({ index, 0: marker }) => ({ start: index, end: index + marker.length })),
    )
    .toSorted((first, second) => first.start - second.start);
}

/** `markers` as `findMarkers` gave them: they never overlap. */
export function liesInMarker(markers: readonly TextRange[], { start, end }: TextRange): boolean {
  let [low, high] = [0, markers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((markers[middle]?.end ?? 0) <= start) low = middle + 1;
    else high = middle;
  }
  const marker = markers[low];
  return marker !== undefined && marker.start <= start && end <= marker.end;
}

/** Each new name writes the members of its object anew; a request with more of them is refused. */
const MAX_RENAMED_MEMBERS = 100;

/**
 * Puts a marker in the place of each thing, in the request itself. Returns the path of the first text in which that
 * could not be done, because it would no longer be the JSON it was or because too many members would need new names;
 * null where all is done.
 */
export function applyRewrites(rewrites: readonly Rewrite[], makeMarker: MarkerMaker): string | null {
  const byText = new Map<RequestText, Rewrite[]>();
  for (const rewrite of rewrites) {
    const list = byText.get(rewrite.text);
    if (list) list.push(rewrite);
    else byText.set(rewrite.text, [rewrite]);
  }
  let renamed = 0;
  for (const [text, list] of byText) {
    list.sort((first, second) => first.start - second.start);
    const labelEnd = text.label.length;
    const value = replaceAll(text, list, makeMarker);
    if (text.isJson && isJson(text.value) && !isJson(value)) return text.path;
    if (value !== text.value) text.replaceValue(value);
    const inLabel = list.find(({ start }) => start < labelEnd);
    if (!inLabel) continue;
    if (++renamed > MAX_RENAMED_MEMBERS) return text.path;
    text.replaceLabel(makeMarker(inLabel, text.label.slice(0, -LABEL_TAIL.length)));
  }
  return null;
}

/** Between a member's name and its value. */
const LABEL_TAIL = ': ';

function replaceAll(text: RequestText, rewrites: readonly Rewrite[], makeMarker: MarkerMaker): string {
  const { value, label, isJson: inJson } = text;
  const pieces: string[] = [];
  let from = 0;
  for (const rewrite of rewrites) {
    const valueStart = Math.max(from, rewrite.start - label.length);
    const valueEnd = rewrite.end - label.length;
    if (valueEnd <= valueStart) continue;
    const written = value.slice(valueStart, valueEnd);
    pieces.push(value.slice(from, valueStart), makeMarker(rewrite, inJson ? unescapeJson(written) : written));
    from = valueEnd;
  }
  pieces.push(value.slice(from));
  return pieces.join('');
}

/** What a piece of a JSON text says, so that it is the same value there and elsewhere. */
function unescapeJson(written: string): string {
  if (!written.includes('\\')) return written;
  try {
    const value: unknown = JSON.parse(`"${written}"`);
    return typeof value === 'string' ? value : written;
  } catch {
    return written;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
