import { ALPHANUMERICS, CharacterSet, DIGITS } from '../engine/character-set.js';

const ADORNMENTS = CharacterSet.of('_-.');
const MAX_ADORNMENTS = 3;

/** Whether more text could change whether a token ends here: it is the text's end, or only adornments follow. */
export function isOpenEnd(text: string, end: number, after: CharacterSet | null): boolean {
  if (after === null) return false;
  if (end === text.length) return true;
  if (!after.has(text.charCodeAt(end))) return false;
  let index = end;
  while (index < text.length && index - end < MAX_ADORNMENTS && ADORNMENTS.has(text.charCodeAt(index))) index++;
  return index === text.length;
}

/** Whether a word begins here: after anything but a letter, or at a hump as in `myHerokuKey`. */
export function beginsName(text: string, start: number): boolean {
  const before = text.charCodeAt(start - 1);
  if (!ALPHANUMERICS.has(before) || DIGITS.has(before)) return true;
  return isLower(before) && !isLower(text.charCodeAt(start));
}

function isLower(code: number): boolean {
  return code >= 97 && code <= 122;
}
