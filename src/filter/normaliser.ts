import type { ScanText } from './engine/scan-text.js';
import { asciiLookalikes } from './lookalikes.js';
import { DerivedText } from './source-map.js';

/** Invisible format characters, combining marks and fillers: they hide between letters and are no part of a word. */
const IGNORABLE = /^[\p{Cf}\p{M}\p{Default_Ignorable_Code_Point}]$/u;
const FIRST_BEYOND_ASCII = 0x80;
const FIRST_ASTRAL = 0x10000;
const CODE_POINTS = 0x110000;
/** Forms that are longer say nothing that a credential is written with. */
const MAX_FORM = 4;

/** What each character becomes, filled as they are met: a code point, or one of these; 0 where it is not known yet. */
const NOTHING = 1;
const SEVERAL = 2;
const foldedUnits = new Uint16Array(FIRST_ASTRAL);
/** Made when it is needed first: few texts hold such characters. */
let foldedAstral: Uint32Array | null = null;
const severalOf = new Map<number, string>();

/**
 * The text without invisible characters, in compatibility form (NFKC) and with look-alike letters as ASCII; null where
 * that changes nothing, as in every ASCII text. Character by character, so that each has a way back.
 */
export function foldUnicode(source: ScanText): DerivedText | null {
  const { units, length } = source;
  let derived: DerivedText | null = null;
  for (let index = 0; index < length; index++) {
    const unit = units[index] ?? 0;
    if (unit < FIRST_BEYOND_ASCII) continue;
    const code = codeAt(units, length, index, unit);
    const end = index + (code < FIRST_ASTRAL ? 1 : 2);
    const folded = formOf(code);
    if (folded !== code) {
      derived ??= new DerivedText(source);
      if (folded === NOTHING) derived.remove(index, end);
      else if (folded === SEVERAL) derived.replace(index, end, severalOf.get(code) ?? '');
      else derived.replaceCode(index, end, folded);
    }
    index = end - 1;
  }
  return derived;
}

/** The first unit of what stands from `start` to `end` once that is folded; null where nothing is left of it. */
export function firstFolded(units: Uint16Array, start: number, end: number): number | null {
  for (let index = start; index < end; index++) {
    const code = codeAt(units, end, index, units[index] as number);
    const folded = formOf(code);
    if (folded === SEVERAL) return severalOf.get(code)?.charCodeAt(0) ?? null;
    if (folded !== NOTHING) return folded;
    if (code >= FIRST_ASTRAL) index++;
  }
  return null;
}

/** The last one. */
export function lastFolded(units: Uint16Array, start: number, end: number): number | null {
  for (let index = end - 1; index >= start; index--) {
    const isLow = index > start && (units[index] as number) >= 0xdc00 && (units[index] as number) <= 0xdfff;
    const pair = isLow ? codeAt(units, end, index - 1, units[index - 1] as number) : 0;
    const code = pair >= FIRST_ASTRAL ? pair : (units[index] as number);
    const folded = formOf(code);
    if (folded === SEVERAL) return severalOf.get(code)?.at(-1)?.charCodeAt(0) ?? null;
    if (folded !== NOTHING) return folded;
    if (code >= FIRST_ASTRAL) index--;
  }
  return null;
}

function formOf(code: number): number {
  return code < FIRST_ASTRAL ? foldedUnits[code] || learn(code) : foldAstral(code);
}

function codeAt(units: Uint16Array, length: number, index: number, unit: number): number {
  if (unit < 0xd800 || unit > 0xdbff || index + 1 >= length) return unit;
  const low = units[index + 1] ?? 0;
  return low >= 0xdc00 && low <= 0xdfff ? FIRST_ASTRAL + ((unit - 0xd800) << 10) + (low - 0xdc00) : unit;
}

function foldAstral(code: number): number {
  foldedAstral ??= new Uint32Array(CODE_POINTS - FIRST_ASTRAL);
  return foldedAstral[code - FIRST_ASTRAL] || learn(code);
}

function learn(code: number): number {
  const folded = findForm(code);
  if (code < FIRST_ASTRAL) foldedUnits[code] = folded;
  else if (foldedAstral) foldedAstral[code - FIRST_ASTRAL] = folded;
  return folded;
}

function findForm(code: number): number {
  if (code >= 0xd800 && code <= 0xdfff) return code;
  const character = String.fromCodePoint(code);
  if (IGNORABLE.test(character)) return NOTHING;
  const form = asciiLookalikes.get(code) ?? character.normalize('NFKC');
  const first = form.codePointAt(0) ?? code;
  if (form.length > MAX_FORM) return code;
  if (form === String.fromCodePoint(first)) return first >= FIRST_ASTRAL && code < FIRST_ASTRAL ? code : first;
  severalOf.set(code, form);
  return SEVERAL;
}
