import { ALPHANUMERICS, CharacterSet, DIGITS } from './engine/character-set.js';
import type { DecodedText } from './normaliser.js';
import { blockMap, chainMaps, DerivedText, identityMap, type SourceMap } from './source-map.js';

/** Base64 of the shortest credential worth finding (16 characters). */
const MIN_BASE64_RUN = 22;
const MIN_HEX_RUN = 40;
/** Shorter runs may begin in the middle of a group, as in a path; each of the four alignments is tried. */
const MAX_REALIGNED_RUN = 4_096;
/** Lines as mail and PEM wrap them are one run. */
const MIN_WRAPPED_LINE = 40;
const BASE64 = ALPHANUMERICS.union(CharacterSet.of('+/-_'));
const HEX = DIGITS.union(CharacterSet.of('abcdefABCDEF'));
const MIN_TEXT = 16;
const SPACE = 32;
const TILDE = 126;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** What base64 and hexadecimal runs of a credential's length decode to; one character a byte. */
export function* decodeRuns(source: string): Generator<DecodedText> {
  let start = 0;
  while (start + MIN_BASE64_RUN <= source.length) {
    // A run of the length asked for holds every one of its places: looked at from its end, most of a text is skipped.
    let at = start + MIN_BASE64_RUN - 1;
    while (at >= start && BASE64.has(source.charCodeAt(at))) at--;
    if (at >= start) {
      start = at + 1;
      continue;
    }
    const end = endOfRun(source, start);
    yield* decodeRun(source, start, end);
    start = end;
  }
}

/** A run goes on over a line's end where its lines are long enough to have been wrapped. */
function endOfRun(source: string, start: number): number {
  let lineStart = start;
  let index = start;
  for (;;) {
    while (index < source.length && BASE64.has(source.charCodeAt(index))) index++;
    if (index - lineStart < MIN_WRAPPED_LINE) return index;
    let next = index;
    if (source.charCodeAt(next) === CARRIAGE_RETURN) next++;
    if (source.charCodeAt(next) !== LINE_FEED || !BASE64.has(source.charCodeAt(next + 1))) return index;
    index = next + 1;
    lineStart = index;
  }
}

function* decodeRun(source: string, start: number, end: number): Generator<DecodedText> {
  const { text, map } = withoutLineEnds(source.slice(start, end));
  const toRun = chainMaps({ toSource: (from, to) => ({ start: start + from, end: start + to }) }, map);
  if (isHex(text)) {
    const bytes = Buffer.from(text, 'hex');
    if (holdsText(bytes)) yield { text: bytes.toString('latin1'), map: chainMaps(toRun, blockMap(0, 1, 2)) };
    return;
  }
  const alignments = text.length <= MAX_REALIGNED_RUN ? 4 : 1;
  for (let offset = 0; offset < alignments; offset++) {
    const bytes = Buffer.from(offset === 0 ? text : text.slice(offset), 'base64');
    if (!holdsText(bytes)) continue;
    yield { text: bytes.toString('latin1'), map: chainMaps(toRun, clamp(blockMap(offset, 3, 4), text.length)) };
  }
}

/** Whether there is a stretch of printable ASCII as long as the shortest credential: random bytes hold none. */
function holdsText(bytes: Buffer): boolean {
  let printable = 0;
  for (const byte of bytes) {
    printable = byte >= SPACE && byte <= TILDE ? printable + 1 : 0;
    if (printable === MIN_TEXT) return true;
  }
  return false;
}

function withoutLineEnds(run: string): { text: string; map: SourceMap } {
  if (!run.includes('\n')) return { text: run, map: identityMap };
  const derived = new DerivedText(run);
  for (const match of run.matchAll(/\r?\n/g)) derived.replace(match.index, match.index + match[0].length, '');
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

function isHex(text: string): boolean {
  if (text.length < MIN_HEX_RUN || text.length % 2 !== 0) return false;
  for (let index = 0; index < text.length; index++) if (!HEX.has(text.charCodeAt(index))) return false;
  return true;
}
