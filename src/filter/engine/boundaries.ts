import { ALPHANUMERICS, CharacterSet, DIGITS } from './character-set.js';

const BACKSLASH = 92;
const PERCENT = 37;
/** Characters that adorn a word as often as they belong to it: `_token_`, `token--`, `the token.` */
export const ADORNMENTS = CharacterSet.of('_-.');
const MAX_ADORNMENTS = 3;
const ESCAPED_BLANKS = CharacterSet.of('nrt');
const HEX = DIGITS.union(CharacterSet.of('abcdefABCDEF'));

/**
 * Whether a token can begin at `start`: what stands before is not one of `forbidden`, or is only an adornment
 * (`_token_`), an escape (`\n`) or a percent-encoded character (`%3D`).
 */
export function beginsToken(text: string, start: number, forbidden: CharacterSet | null): boolean {
  if (forbidden === null || start === 0) return true;
  const before = text.charCodeAt(start - 1);
  if (!forbidden.has(before)) return true;
  if (ESCAPED_BLANKS.has(before) && text.charCodeAt(start - 2) === BACKSLASH) return true;
  if (HEX.has(before) && HEX.has(text.charCodeAt(start - 2)) && text.charCodeAt(start - 3) === PERCENT) return true;
  let index = start - 1;
  while (index >= 0 && start - 1 - index < MAX_ADORNMENTS && ADORNMENTS.has(text.charCodeAt(index))) index--;
  return index < start - 1 && (index < 0 || !isPartOfToken(text.charCodeAt(index), forbidden));
}

/**
 * A quick look before `beginsToken`: true only where that is false, because a letter or digit stands before that no escape
 * ends with.
 */
export function isInsideToken(units: Uint16Array, start: number, forbidden: CharacterSet | null): boolean {
  if (forbidden === null || start === 0) return false;
  const before = units[start - 1] ?? 0;
  if (!forbidden.has(before) || !ALPHANUMERICS.has(before)) return false;
  return units[start - 2] !== BACKSLASH && units[start - 3] !== PERCENT;
}

/** Whether a token can end at `end`: what follows is not one of `forbidden`, or is only an adornment. */
export function endsToken(text: string, end: number, forbidden: CharacterSet | null): boolean {
  if (forbidden === null || end >= text.length || !forbidden.has(text.charCodeAt(end))) return true;
  let index = end;
  while (index < text.length && index - end < MAX_ADORNMENTS && ADORNMENTS.has(text.charCodeAt(index))) index++;
  return index > end && (index >= text.length || !isPartOfToken(text.charCodeAt(index), forbidden));
}

function isPartOfToken(code: number, forbidden: CharacterSet): boolean {
  return forbidden.has(code) || ALPHANUMERICS.has(code) || ADORNMENTS.has(code);
}

/** Whether the word stands there, in just these letters. */
export function standsAt(word: string, units: Uint16Array, start: number): boolean {
  for (let index = 0; index < word.length; index++) {
    if (units[start + index] !== word.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether a word begins here: after anything but a letter, or at a hump as in `myHerokuKey`. */
export function beginsName(units: Uint16Array, start: number): boolean {
  const before = start === 0 ? 0 : (units[start - 1] ?? 0);
  if (!isLetter(before)) return true;
  return isLower(before) && !isLower(units[start] ?? 0);
}

function isLower(code: number): boolean {
  return code >= 97 && code <= 122;
}

function isLetter(code: number): boolean {
  return isLower(code | 32) && code < 128;
}
