import type { RequestText } from './text-walker.js';

/** One credential to take out of a text; offsets are those of the label and the value together. */
export interface Redaction {
  readonly text: RequestText;
  readonly rule: string;
  readonly start: number;
  readonly end: number;
}

export function markerOf(rule: string): string {
  return `[REDACTED:${rule}]`;
}

/** Each new name writes the members of its object anew; a request with more of them is refused. */
const MAX_RENAMED_MEMBERS = 100;

/**
 * Puts `[REDACTED:rule]` in the place of each credential, in the request itself. Returns the path of the first text
 * that could not be redacted, because it would no longer be the JSON it was or because too many members would need new
 * names; null where all is done.
 */
export function applyRedactions(redactions: readonly Redaction[]): string | null {
  const byText = new Map<RequestText, Redaction[]>();
  for (const redaction of redactions) {
    const list = byText.get(redaction.text);
    if (list) list.push(redaction);
    else byText.set(redaction.text, [redaction]);
  }
  let renamed = 0;
  for (const [text, list] of byText) {
    list.sort((first, second) => first.start - second.start);
    const labelEnd = text.label.length;
    const value = replaceAll(text.value, list, labelEnd);
    if (text.isJson && isJson(text.value) && !isJson(value)) return text.path;
    if (value !== text.value) text.replaceValue(value);
    const inLabel = list.find(({ start }) => start < labelEnd);
    if (!inLabel) continue;
    if (++renamed > MAX_RENAMED_MEMBERS) return text.path;
    text.replaceLabel(markerOf(inLabel.rule));
  }
  return null;
}

function replaceAll(value: string, redactions: readonly Redaction[], labelEnd: number): string {
  const pieces: string[] = [];
  let from = 0;
  for (const { rule, start, end } of redactions) {
    const valueStart = Math.max(from, start - labelEnd);
    const valueEnd = end - labelEnd;
    if (valueEnd <= valueStart) continue;
    pieces.push(value.slice(from, valueStart), markerOf(rule));
    from = valueEnd;
  }
  pieces.push(value.slice(from));
  return pieces.join('');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
