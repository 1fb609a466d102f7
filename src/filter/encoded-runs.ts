import { ALPHANUMERICS, CharacterSet, DIGITS } from './engine/character-set.js';
import type { ScanBudget } from './engine/scan-budget.js';
import type { DecodedText } from './normaliser.js';
import { blockMap, chainMaps, DerivedText, identityMap, type SourceMap } from './source-map.js';

/** Base64 of the shortest credential worth finding (16 characters). */
const MIN_BASE64_RUN = 22;
const MIN_HEX_RUN = 40;
/** Lines as mail, PEM and YAML wrap them are one run, also where they are indented or quoted. */
const MIN_WRAPPED_LINE = 16;
const LINE_END = /\r?\n[ \t>]*/g;
const LINE_BEGINNINGS = CharacterSet.of(' \t>');
const BASE64 = ALPHANUMERICS.union(CharacterSet.of('+/-_'));
const HEX = DIGITS.union(CharacterSet.of('abcdefABCDEF'));
/** A run's groups may begin anywhere in it: a path can stand before it, and a window begins in its middle. */
const BASE64_ALIGNMENTS = 4;
const HEX_ALIGNMENTS = 2;
/** What a run costs in the budget's steps: a little however short it is, and decoding it in every alignment. */
const STEPS_PER_RUN = 50;
const STEPS_PER_CHARACTER = 2;
const MIN_TEXT = 16;
const NUL = 0;
const SPACE = 32;
const TILDE = 126;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const MULTI_BYTE = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/g;

/** What base64 and hexadecimal runs of a credential's length decode to. Yields null where it has worked for a while. */
export function* decodeRuns(source: string, budget: ScanBudget): Generator<DecodedText | null> {
  let start = findRun(source, 0, BASE64, MIN_WRAPPED_LINE);
  while (start !== -1) {
    const end = endOfRun(source, start);
    if (end - start >= MIN_BASE64_RUN) {
      budget.spend(STEPS_PER_RUN + STEPS_PER_CHARACTER * (end - start));
      yield* decodeRun(source, start, end);
    }
    if (budget.passedSlice()) yield null;
    start = findRun(source, end, BASE64, MIN_WRAPPED_LINE);
  }
}

/** Where the next run of at least so many characters of a set begins; -1 where there is none. */
function findRun(source: string, from: number, set: CharacterSet, length: number): number {
  let start = from;
  while (start + length <= source.length) {
    // A run of the length asked for holds every one of its places: looked at from its end, most of a text is skipped.
    let at = start + length - 1;
    while (at >= start && set.has(source.charCodeAt(at))) at--;
    if (at < start) return start;
    start = at + 1;
  }
  return -1;
}

function skipAll(source: string, from: number, set: CharacterSet): number {
  let index = from;
  while (index < source.length && set.has(source.charCodeAt(index))) index++;
  return index;
}

/** A run goes on over a line's end where its lines are long enough to have been wrapped. */
function endOfRun(source: string, start: number): number {
  let lineStart = start;
  for (;;) {
    const lineEnd = skipAll(source, lineStart, BASE64);
    if (lineEnd - lineStart < MIN_WRAPPED_LINE) return lineEnd;
    let next = lineEnd;
    if (source.charCodeAt(next) === CARRIAGE_RETURN) next++;
    if (source.charCodeAt(next) !== LINE_FEED) return lineEnd;
    next = skipAll(source, next + 1, LINE_BEGINNINGS);
    if (!BASE64.has(source.charCodeAt(next))) return lineEnd;
    lineStart = next;
  }
}

function* decodeRun(source: string, start: number, end: number): Generator<DecodedText> {
  const { text, map } = withoutLineEnds(source.slice(start, end));
  const toRun = chainMaps({ toSource: (from, to) => ({ start: start + from, end: start + to }) }, map);
  let hexStart = findRun(text, 0, HEX, MIN_HEX_RUN);
  let wholeIsHex = false;
  while (hexStart !== -1) {
    const hexEnd = skipAll(text, hexStart, HEX);
    wholeIsHex = hexEnd - hexStart === text.length;
    for (let offset = 0; offset < HEX_ALIGNMENTS; offset++) {
      const bytes = Buffer.from(text.slice(hexStart + offset, hexEnd), 'hex');
      yield* textsIn(bytes, chainMaps(toRun, blockMap(hexStart + offset, 1, 2)));
    }
    hexStart = findRun(text, hexEnd, HEX, MIN_HEX_RUN);
  }
  if (wholeIsHex) return;
  for (let offset = 0; offset < BASE64_ALIGNMENTS; offset++) {
    const bytes = Buffer.from(text.slice(offset), 'base64');
    yield* textsIn(bytes, chainMaps(toRun, clamp(blockMap(offset, 3, 4), text.length)));
  }
}

/** What bytes say as UTF-8, and as UTF-16, whose every other byte is NUL where it is ASCII. */
function* textsIn(bytes: Buffer, map: SourceMap): Generator<DecodedText> {
  if (!holdsText(bytes)) return;
  const text = bytes.toString('latin1');
  yield decodeMultiByte(text, map);
  if (!bytes.includes(NUL)) return;
  const derived = new DerivedText(text);
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) === NUL) derived.replace(index, index + 1, '');
  }
  yield decodeMultiByte(derived.finish(), chainMaps(map, derived));
}

/** UTF-8 of one character a byte; what is none stays as it is. */
function decodeMultiByte(text: string, map: SourceMap): DecodedText {
  const derived = new DerivedText(text);
  for (const match of text.matchAll(MULTI_BYTE)) {
    const character = Buffer.from(match[0], 'latin1').toString();
    derived.replace(match.index, match.index + match[0].length, character);
  }
  return derived.changed ? { text: derived.finish(), map: chainMaps(map, derived) } : { text, map };
}

/** Whether there is a stretch of UTF-8 text as long as the shortest credential: random bytes hold none. */
function holdsText(bytes: Buffer): boolean {
  let characters = 0;
  let missing = 0;
  for (const byte of bytes) {
    if (byte === NUL) continue;
    if (missing > 0 && byte >= 0x80 && byte < 0xc0) {
      if (--missing === 0) characters++;
    } else if (missing === 0 && byte >= SPACE && byte <= TILDE) {
      characters++;
    } else {
      if (missing > 0 || byte < 0xc2 || byte > 0xf4) characters = 0;
      missing = byte < 0xc2 || byte > 0xf4 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    }
    if (characters === MIN_TEXT) return true;
  }
  return false;
}

function withoutLineEnds(run: string): { text: string; map: SourceMap } {
  if (!run.includes('\n')) return { text: run, map: identityMap };
  const derived = new DerivedText(run);
  for (const match of run.matchAll(LINE_END)) derived.replace(match.index, match.index + match[0].length, '');
  return { text: derived.finish(), map: derived };
}

function clamp(map: SourceMap, length: number): SourceMap {
  return {
    toSource: (start, end) => {
      const range = map.toSource(start, end);
      return { start: range.start, end: Math.min(range.end, length) };
    },
  };
}
