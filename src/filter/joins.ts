import { ADORNMENTS } from './engine/boundaries.js';
import { ALPHANUMERICS, CharacterSet } from './engine/character-set.js';
import type { ScanText } from './engine/scan-text.js';
import { firstFolded, lastFolded } from './normaliser.js';

const LAST_ASCII = 0x7f;
const SPACE = 0x20;
const BACKSLASH = 92;
/** What a credential may begin or end with besides letters and digits. */
const SYMBOLS = CharacterSet.of('_-.+/=~');
const WORD = ALPHANUMERICS.union(SYMBOLS);
/** A word so long, with anything but small letters in it, may be part of a credential: `wykorzystał` is none. */
const MIN_PART = 6;
const MOST_READ = 16;
const SMALL = CharacterSet.range(0x61, 0x7a);
/** What a credential is written with, and an escape: `&#65;`, `\u{41}`. */
const PARTS = WORD.union(CharacterSet.of('#{'));
/** What an escape begins with that may stand for a letter: `%41`, `&#65;`, and after a backslash `\u0041`. */
const ESCAPE_MARKS = CharacterSet.of('%&');
const LETTER_ESCAPES = CharacterSet.of('uxU');
/** What one ends with where that is no letter or digit: `&#65;`, `\u{41}`. */
const ESCAPE_ENDS = CharacterSet.of(';}');
/** What stands around words, and is never part of one. */
const AROUND_WORDS = CharacterSet.of('"\'`()<>{}*#$?@ ');

/**
 * Where a text runs words of ASCII together with what stands beside them once it is folded: `Аsk-…` with a Cyrillic letter,
 * or two words with something invisible between. In order.
 */
export class Joins {
  private constructor(private readonly places: readonly number[]) {}

  /** Null where there are none, as nearly everywhere. */
  static in({ units, length }: ScanText): Joins | null {
    const places: number[] = [];
    for (let index = 0; index < length; index++) {
      if ((units[index] as number) <= LAST_ASCII) continue;
      const start = index;
      index = endOfOthers(units, length, start);
      if (joins(units, start, index)) places.push(start, index);
    }
    return places.length > 0 ? new Joins(places) : null;
  }

  /** Whether one lies from `start` to `end`. */
  isNear(start: number, end: number): boolean {
    let low = 0;
    let high = this.places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.places[middle] as number) < start) low = middle + 1;
      else high = middle;
    }
    return low < this.places.length && (this.places[low] as number) <= end;
  }
}

/**
 * Whether anything beyond ASCII is, once it is folded, more than a quote or bracket beside what is seen of ASCII: false only
 * where no text within the text can begin or end elsewhere by that.
 */
export function mayJoin({ units, length }: ScanText): boolean {
  for (let index = 0; index < length; index++) {
    if ((units[index] as number) <= LAST_ASCII) continue;
    const start = index;
    index = endOfOthers(units, length, start);
    const first = firstFolded(units, start, index);
    const last = lastFolded(units, start, index);
    if (isSeen(units[start - 1]) && !standsAround(first)) return true;
    if (isSeen(units[index]) && !standsAround(last)) return true;
  }
  return false;
}

/** Where what is beyond ASCII from `start` on ends. */
function endOfOthers(units: Uint16Array, length: number, start: number): number {
  let end = start;
  while (end < length && (units[end] as number) > LAST_ASCII) end++;
  return end;
}

function isSeen(unit = 0): boolean {
  return unit > SPACE && unit < LAST_ASCII;
}

function standsAround(folded: number | null): boolean {
  return folded !== null && (folded > LAST_ASCII || AROUND_WORDS.has(folded));
}

/** Whether what is beyond ASCII from `start` to `end` becomes part of a word beside it, or makes one of two. */
function joins(units: Uint16Array, start: number, end: number): boolean {
  const follows = endsWord(units, start);
  const precedes = beginsWord(units, end);
  if (!follows && !precedes) return false;
  const first = firstFolded(units, start, end);
  const last = lastFolded(units, start, end);
  const isBetween = first === null || ADORNMENTS.has(first) || ADORNMENTS.has(last ?? 0);
  if (isBetween && (follows || WORD.has(units[start - 1] ?? 0)) && (precedes || WORD.has(units[end] ?? 0))) return true;
  return (follows && first !== null && WORD.has(first)) || (precedes && last !== null && WORD.has(last));
}

function endsWord(units: Uint16Array, end: number): boolean {
  return mayBePart(units, ESCAPE_ENDS.has(units[end - 1] ?? 0) ? end - 2 : end - 1, -1);
}

function beginsWord(units: Uint16Array, start: number): boolean {
  return mayBePart(units, start, 1);
}

/** Whether what is read from `from` on, forwards or backwards, may be part of a credential, or of an escape in one. */
function mayBePart(units: Uint16Array, from: number, step: 1 | -1): boolean {
  let holdsMore = false;
  let index = from;
  for (let count = 0; count < MOST_READ; count++) {
    const unit = units[index] ?? 0;
    if (ESCAPE_MARKS.has(unit) || (unit === BACKSLASH && isLetterEscape(units, index))) return true;
    if (!PARTS.has(unit)) return holdsMore && count >= MIN_PART;
    holdsMore ||= !SMALL.has(unit);
    index += step;
  }
  return holdsMore;
}

function isLetterEscape(units: Uint16Array, backslash: number): boolean {
  let index = backslash;
  while (units[index] === BACKSLASH) index++;
  return LETTER_ESCAPES.has(units[index] ?? 0);
}
