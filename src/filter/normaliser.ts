import { DerivedText, type SourceMap } from './source-map.js';

/** A text as a reader sees it or a decoder makes it, and the way back to the original. */
export interface DecodedText {
  readonly text: string;
  readonly map: SourceMap;
}

const BEYOND_ASCII = /[\u0080-\uffff]/;
/** Invisible format characters, combining marks and fillers: they hide between letters and are no part of a word. */
const IGNORABLE = /^[\p{Cf}\p{M}\u115f\u1160\u17b4\u17b5\u3164\uffa0]$/u;
const FIRST_BEYOND_ASCII = 0x80;
const FIRST_ASTRAL = 0x10000;

/** Letters of other alphabets that look like ASCII ones. */
const LOOKALIKES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    А: 'A',
    В: 'B',
    Е: 'E',
    К: 'K',
    М: 'M',
    Н: 'H',
    О: 'O',
    Р: 'P',
    С: 'C',
    Т: 'T',
    Х: 'X',
    Ѕ: 'S',
    І: 'I',
    Ј: 'J',
    а: 'a',
    е: 'e',
    о: 'o',
    р: 'p',
    с: 'c',
    у: 'y',
    х: 'x',
    ѕ: 's',
    і: 'i',
    ј: 'j',
    һ: 'h',
    ԁ: 'd',
    ԛ: 'q',
    ԝ: 'w',
    Α: 'A',
    Β: 'B',
    Ε: 'E',
    Ζ: 'Z',
    Η: 'H',
    Ι: 'I',
    Κ: 'K',
    Μ: 'M',
    Ν: 'N',
    Ο: 'O',
    Ρ: 'P',
    Τ: 'T',
    Υ: 'Y',
    Χ: 'X',
    ο: 'o',
    ν: 'v',
    α: 'a',
    '‐': '-',
    '‑': '-',
    '‒': '-',
    '–': '-',
    '—': '-',
    '−': '-',
  }),
);

/** For each character of the basic plane what it becomes, filled as they are met. */
const foldedUnits = new Uint16Array(FIRST_ASTRAL);
const UNKNOWN = 0;
/** It becomes nothing, or more than one character: see `foldCharacter`. */
const NOT_ONE_UNIT = 1;

/**
 * The text without invisible characters, in compatibility form (NFKC) and with look-alike letters as ASCII; null
 * where that changes nothing, as in every ASCII text. Character by character, so that each has a way back.
 */
export function foldUnicode(source: string): DecodedText | null {
  if (!BEYOND_ASCII.test(source)) return null;
  const derived = new DerivedText(source);
  for (let index = 0; index < source.length; index++) {
    const unit = source.charCodeAt(index);
    if (unit < FIRST_BEYOND_ASCII) continue;
    if (!isSurrogate(unit)) {
      const folded = foldedUnits[unit] || learnUnit(unit);
      if (folded === NOT_ONE_UNIT) derived.replace(index, index + 1, foldCharacter(String.fromCharCode(unit)));
      else if (folded !== unit) derived.replaceUnit(index, folded);
      continue;
    }
    const character = String.fromCodePoint(source.codePointAt(index) ?? unit);
    const folded = foldCharacter(character);
    if (folded !== character) derived.replace(index, index + character.length, folded);
    index += character.length - 1;
  }
  return derived.changed ? { text: derived.finish(), map: derived } : null;
}

function learnUnit(unit: number): number {
  const folded = foldCharacter(String.fromCharCode(unit));
  const single = folded.length === 1 ? folded.charCodeAt(0) : NOT_ONE_UNIT;
  foldedUnits[unit] = single === UNKNOWN ? NOT_ONE_UNIT : single;
  return foldedUnits[unit] ?? NOT_ONE_UNIT;
}

function foldCharacter(character: string): string {
  return IGNORABLE.test(character) ? '' : (LOOKALIKES.get(character) ?? character.normalize('NFKC'));
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

const ESCAPE =
  /\\u\{[0-9a-fA-F]{1,6}\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[nrtbf"'\\/]|%[0-9a-fA-F]{2}|&#x[0-9a-fA-F]{1,6};|&#[0-9]{1,7};|&(?:quot|amp|lt|gt|apos);/g;
const MAY_ESCAPE = /[\\%&]/;

const SHORT_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\n', '\n'],
  ['\\r', '\r'],
  ['\\t', '\t'],
  ['\\b', '\b'],
  ['\\f', '\f'],
  ['\\"', '"'],
  [`\\'`, `'`],
  ['\\\\', '\\'],
  ['\\/', '/'],
  ['&quot;', '"'],
  ['&amp;', '&'],
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&apos;', `'`],
]);

/** The text with one level of JSON, JavaScript, percent and HTML escapes decoded; null where it holds none. */
export function decodeEscapes(source: string): DecodedText | null {
  if (!MAY_ESCAPE.test(source)) return null;
  const derived = new DerivedText(source);
  ESCAPE.lastIndex = 0;
  for (let match = ESCAPE.exec(source); match; match = ESCAPE.exec(source)) {
    derived.replace(match.index, ESCAPE.lastIndex, decodeEscape(match[0]));
  }
  return derived.changed ? { text: derived.finish(), map: derived } : null;
}

function decodeEscape(written: string): string {
  const short = SHORT_ESCAPES.get(written);
  if (short !== undefined) return short;
  const code = codeOf(written);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}

/** Reads the digits after the beginning; a closing bracket or semicolon ends them. */
function codeOf(written: string): number {
  if (written.startsWith('%')) return Number.parseInt(written.slice(1), 16);
  if (written.startsWith('&#x') || written.startsWith('\\u{')) return Number.parseInt(written.slice(3), 16);
  return Number.parseInt(written.slice(2), written.startsWith('&#') ? 10 : 16);
}
