import { hexDigitOf, readCode, trailingBytes } from './encoded-bytes.js';
import type { ScanBudget } from './engine/scan-budget.js';
import type { ScanText } from './engine/scan-text.js';
import * as cost from './engine/step-costs.js';
import { DerivedText } from './source-map.js';

/** Escapes often follow each other: so far behind one, the next is looked for unit by unit. */
const NEAR = 32;
/** What was settled before is left in stretches so long; so far beside what is new everything is decoded once more. */
const STRETCH = 64;
const BESIDE = 512;
/** What an escape begins with. */
const MARKS = ['\\', '%', '&'];
const BACKSLASH = 92;
const PERCENT = 37;
const AMPERSAND = 38;
const SEMICOLON = 59;
const NUMBER_SIGN = 35;
const REPLACEMENT = 0xfffd;
const LAST_CODE = 0x10ffff;
const HEX = 16;
const DECIMAL = 10;
const MAX_ENTITY_NAME = 8;
const MAX_UTF8 = 4;

/** JSON, JavaScript and their kin: what the letter after a backslash stands for. */
const SHORT_ESCAPES: ReadonlyMap<number, number> = new Map(
  Object.entries({ n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', '"': '"', "'": "'", '`': '`', '/': '/' }).map(
    ([letter, stands]): [number, number] => [letter.charCodeAt(0), stands.charCodeAt(0)],
  ),
);

/** Named entities of HTML for what a credential, and what stands beside one, is written with. */
const ENTITIES: ReadonlyMap<string, number> = new Map(
  Object.entries({
    quot: '"',
    amp: '&',
    lt: '<',
    gt: '>',
    apos: "'",
    nbsp: ' ',
    lowbar: '_',
    period: '.',
    colon: ':',
    sol: '/',
    equals: '=',
    plus: '+',
    commat: '@',
    hyphen: '-',
    dash: '-',
    num: '#',
    dollar: '$',
    excl: '!',
    NewLine: '\n',
    Tab: '\t',
    shy: '\u00ad',
    zwj: '\u200d',
    zwnj: '\u200c',
  }).map(([name, stands]): [string, number] => [name, stands.charCodeAt(0)]),
);

/** An escape that was read: what it stands for, and where it ends. */
interface Escape {
  code: number;
  end: number;
}

/**
 * The text with JSON, JavaScript, percent and HTML escapes decoded; null where it holds none. Escapes of one kind within
 * each other are one: however often JSON was put into JSON, and `%2541` or `&amp;#65;` as well. Those far from anything
 * `isNew` sees as new are left as they are. Yields where it has worked for a while.
 */
export function* decodeEscapes(
  source: ScanText,
  budget: ScanBudget,
  isNew: (start: number, end: number) => boolean = () => true,
): Generator<void, DerivedText | null> {
  const { units, length } = source;
  const marks = new NextMarks(source);
  let derived: DerivedText | null = null;
  const found: Escape = { code: 0, end: 0 };
  let near = 0;
  let askedTo = 0;
  for (let index = 0; index < length; index++) {
    if (index >= near) index = marks.from(index);
    if (index >= askedTo) {
      askedTo = index + STRETCH;
      budget.spend(cost.DECODE * STRETCH);
      if (budget.passedSlice()) yield;
      if (!isNew(index - BESIDE, askedTo + BESIDE)) {
        index = askedTo - 1;
        continue;
      }
    }
    const unit = units[index] ?? 0;
    if (unit !== BACKSLASH && unit !== PERCENT && unit !== AMPERSAND) continue;
    near = index + NEAR;
    if (readEscape(units, length, index, unit, found)) {
      derived ??= new DerivedText(source);
      derived.replaceCode(index, found.end, found.code);
      budget.spend(cost.REPLACEMENT);
    }
    index = Math.max(index, found.end - 1);
  }
  return derived;
}

/** Whether anything in a text could be an escape: quickly told. */
export function mayHoldEscapes(source: ScanText): boolean {
  return MARKS.some((mark) => source.indexOf(mark, 0) < source.length);
}

/** Where the next backslash, percent sign or ampersand stands; each kind is looked for only where the last was passed. */
class NextMarks {
  private readonly places = MARKS.map(() => -1);

  constructor(private readonly source: ScanText) {}

  /** The text's length where there is none. */
  from(index: number): number {
    let nearest = this.source.length;
    for (let kind = 0; kind < MARKS.length; kind++) {
      let place = this.places[kind] ?? 0;
      if (place < index) {
        place = this.source.indexOf(MARKS[kind] ?? '', index);
        this.places[kind] = place;
      }
      nearest = Math.min(nearest, place);
    }
    return nearest;
  }
}

/** False where nothing is to be decoded; `found.end` is where reading goes on in either case. */
function readEscape(units: Uint16Array, length: number, at: number, unit: number, found: Escape): boolean {
  found.end = at + 1;
  if (unit === BACKSLASH) return readBackslash(units, length, at, found);
  if (unit === PERCENT) return readPercent(units, length, at, found);
  return readEntity(units, length, at, found);
}

function readBackslash(units: Uint16Array, length: number, at: number, found: Escape): boolean {
  let letterAt = at + 1;
  while (letterAt < length && units[letterAt] === BACKSLASH) letterAt++;
  const isDoubled = letterAt > at + 1;
  const letter = letterAt < length ? (units[letterAt] ?? 0) : 0;
  found.end = letterAt + 1;
  found.code = SHORT_ESCAPES.get(letter) ?? -1;
  if (found.code !== -1) return true;
  if (letter === 117 && readBraced(units, length, letterAt + 1, found)) return true;
  if (letter === 117 && readDigits(units, length, letterAt + 1, 4, 4, HEX, found)) return true;
  if (letter === 120 && readDigits(units, length, letterAt + 1, 2, 2, HEX, found)) return true;
  if (letter === 85 && readDigits(units, length, letterAt + 1, 8, 8, HEX, found)) return true;
  found.end = letterAt;
  found.code = BACKSLASH;
  return isDoubled;
}

/** `{1f600}` after `\u`. */
function readBraced(units: Uint16Array, length: number, at: number, found: Escape): boolean {
  const isBraced = units[at] === 123 && readDigits(units, length, at + 1, 1, 6, HEX, found);
  if (!isBraced || units[found.end] !== 125) return false;
  found.end++;
  return true;
}

function readPercent(units: Uint16Array, length: number, at: number, found: Escape): boolean {
  if (!readPercentByte(units, length, at, found)) return false;
  const size = 1 + trailingBytes(found.code);
  if (size === 1) return true;
  const { code, end } = found;
  utf8[0] = code;
  for (let next = 1; next < size; next++) {
    const isContinued = readPercentByte(units, length, found.end, found) && found.code >= 0x80 && found.code < 0xc0;
    if (isContinued) {
      utf8[next] = found.code;
      continue;
    }
    found.code = code;
    found.end = end;
    return true;
  }
  found.code = clamp(readCode(utf8, 0, size));
  return true;
}

const utf8 = new Uint8Array(MAX_UTF8);

/** `%41`, and `%2541`, `%252541` … */
function readPercentByte(units: Uint16Array, length: number, at: number, found: Escape): boolean {
  if (at >= length || units[at] !== PERCENT) return false;
  let digitsAt = at + 1;
  while (
    units[digitsAt] === 50 &&
    units[digitsAt + 1] === 53 &&
    digitsAt + 3 < length &&
    isHexPair(units, digitsAt + 2)
  ) {
    digitsAt += 2;
  }
  return readDigits(units, length, digitsAt, 2, 2, HEX, found);
}

function isHexPair(units: Uint16Array, at: number): boolean {
  return hexDigitOf(units[at] ?? 0) < HEX && hexDigitOf(units[at + 1] ?? 0) < HEX;
}

function readEntity(units: Uint16Array, length: number, at: number, found: Escape): boolean {
  let from = at + 1;
  // `amp;` before something that is an entity once it is gone.
  while (isAmp(units, length, from)) from += 4;
  const isDoubled = from > at + 1;
  if (units[from] === NUMBER_SIGN && readNumber(units, length, from + 1, found)) return true;
  let end = from;
  while (end < length && end - from < MAX_ENTITY_NAME && isLetter(units[end] ?? 0)) end++;
  if (end > from && end < length && units[end] === SEMICOLON) {
    const code = ENTITIES.get(String.fromCharCode(...units.subarray(from, end)));
    if (code !== undefined) {
      found.code = code;
      found.end = end + 1;
      return true;
    }
  }
  found.code = AMPERSAND;
  found.end = Math.max(from, at + 1);
  return isDoubled;
}

function isAmp(units: Uint16Array, length: number, at: number): boolean {
  return (
    at + 3 < length && units[at] === 97 && units[at + 1] === 109 && units[at + 2] === 112 && units[at + 3] === SEMICOLON
  );
}

/** `65;` or `x41;` after `&#`. */
function readNumber(units: Uint16Array, length: number, at: number, found: Escape): boolean {
  const isHex = ((units[at] ?? 0) | 32) === 120;
  const isNumber = isHex
    ? readDigits(units, length, at + 1, 1, 6, HEX, found)
    : readDigits(units, length, at, 1, 7, DECIMAL, found);
  if (!isNumber) return false;
  if (found.end < length && units[found.end] === SEMICOLON) found.end++;
  return true;
}

/** Reads so many digits, into `found` with where they end. */
function readDigits(
  units: Uint16Array,
  length: number,
  at: number,
  atLeast: number,
  atMost: number,
  radix: number,
  found: Escape,
): boolean {
  let code = 0;
  let end = at;
  while (end < length && end - at < atMost) {
    const digit = hexDigitOf(units[end] ?? 0);
    if (digit >= radix) break;
    code = code * radix + digit;
    end++;
  }
  if (end - at < atLeast) return false;
  found.code = clamp(code);
  found.end = end;
  return true;
}

function clamp(code: number): number {
  return code <= LAST_CODE ? code : REPLACEMENT;
}

function isLetter(unit: number): boolean {
  const lower = unit | 32;
  return lower >= 97 && lower <= 122;
}
