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

/** What each character of the basic plane becomes; filled as they are met. */
const folded = new Map<number, string>();

/**
 * The text without invisible characters, in compatibility form (NFKC) and with look-alike letters as ASCII; null
 * where that changes nothing, as in every ASCII text. Character by character, so that each has a way back.
 */
export function foldUnicode(source: string): DecodedText | null {
  if (!BEYOND_ASCII.test(source)) return null;
  const derived = new DerivedText(source);
  for (let index = 0; index < source.length; index++) {
    if (source.charCodeAt(index) < FIRST_BEYOND_ASCII) continue;
    const code = source.codePointAt(index) ?? 0;
    const width = code >= FIRST_ASTRAL ? 2 : 1;
    const replacement = foldCharacter(code);
    if (replacement !== null) derived.replace(index, index + width, replacement);
    index += width - 1;
  }
  return derived.changed ? { text: derived.finish(), map: derived } : null;
}

/** Null where the character stays as it is. */
function foldCharacter(code: number): string | null {
  const character = String.fromCodePoint(code);
  let result = folded.get(code);
  if (result === undefined) {
    result = IGNORABLE.test(character) ? '' : (LOOKALIKES.get(character) ?? character.normalize('NFKC'));
    if (code < FIRST_ASTRAL) folded.set(code, result);
  }
  return result === character ? null : result;
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
  const code =
    written.startsWith('&#') && !/^&#x/i.test(written)
      ? Number(written.slice(2, -1))
      : Number.parseInt(written.replace(/[^0-9a-fA-F]/g, ''), 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}
