import { ScanBudget } from '../engine/scan-budget.js';
import { ScanText } from '../engine/scan-text.js';
import { decodeEscapes } from '../escapes.js';
import { foldUnicode } from '../normaliser.js';
import { runAtOnce } from '../slices.js';

/**
 * A piece of a text as another reader sees it, and where each of its UTF-16 units came from: `starts[i]` to `ends[i]` of
 * the original, counted from its beginning. Null maps: the piece is the original from `at` on.
 */
export interface MappedPiece {
  readonly text: string;
  readonly at: number;
  readonly map: { readonly starts: readonly number[]; readonly ends: readonly number[] } | null;
}

/** Turns a text into another one, piece by piece; the result is the same for all pieces. */
export interface Stage {
  feed(piece: MappedPiece, isFinal: boolean): MappedPiece;
  /** Where in the original what was read begins of which nothing has come out yet; null where there is none. */
  readonly waitsFrom: number | null;
}

const FIRST_BEYOND_ASCII = 0x80;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;
/** More than the characters of any language. */
const MAX_KNOWN_TEXTS = 32_768;
/** Longer ones would keep the text alive that they are cut from. */
const MAX_KNOWN_LENGTH = 12;

/** Collects what comes out. */
class MappedText {
  private text = '';
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];

  add(text: string, start: number, end: number): void {
    this.text += text;
    for (let index = 0; index < text.length; index++) {
      this.starts.push(start);
      this.ends.push(end);
    }
  }

  /** Keeps a stretch of a piece as it is. */
  copy(piece: MappedPiece, from: number, to: number): void {
    if (from >= to) return;
    this.text += piece.text.slice(from, to);
    for (let index = from; index < to; index++) {
      this.starts.push(startOf(piece, index));
      this.ends.push(endOf(piece, index));
    }
  }

  finish(at: number): MappedPiece {
    return { text: this.text, at, map: { starts: this.starts, ends: this.ends } };
  }
}

/** A unit that was read, and where it came from. */
interface Waiting {
  text: string;
  starts: number[];
  ends: number[];
}

function startOf(piece: MappedPiece, index: number): number {
  return piece.map ? (piece.map.starts[index] ?? piece.at) : piece.at + index;
}

function endOf(piece: MappedPiece, index: number): number {
  return piece.map ? (piece.map.ends[index] ?? piece.at) : piece.at + index + 1;
}

/** Puts what waited before a piece. */
function join(waiting: Waiting, piece: MappedPiece): MappedPiece {
  if (waiting.text === '') return piece;
  const starts = waiting.starts;
  const ends = waiting.ends;
  for (let index = 0; index < piece.text.length; index++) {
    starts.push(startOf(piece, index));
    ends.push(endOf(piece, index));
  }
  return { text: waiting.text + piece.text, at: piece.at, map: { starts, ends } };
}

function keep(piece: MappedPiece, from: number): Waiting {
  const waiting: Waiting = { text: piece.text.slice(from), starts: [], ends: [] };
  for (let index = from; index < piece.text.length; index++) {
    waiting.starts.push(startOf(piece, index));
    waiting.ends.push(endOf(piece, index));
  }
  return waiting;
}

/** What short texts turn into, kept for the next time: one of them comes again and again. */
class KnownTexts {
  private readonly known = new Map<string, string>();

  constructor(private readonly turn: (text: string) => string) {}

  of(text: string): string {
    const known = this.known.get(text);
    if (known !== undefined) return known;
    const turned = this.turn(text);
    if (text.length > MAX_KNOWN_LENGTH) return turned;
    if (this.known.size >= MAX_KNOWN_TEXTS) this.known.clear();
    this.known.set(text, turned);
    return turned;
  }
}

const foldedCharacters = new KnownTexts((character) => foldUnicode(ScanText.of(character))?.finish().text ?? character);

/** Below, asking costs more than it saves. */
const LONG_TEXT = 64;
const UNITS = 0x1_0000;
const [UNKNOWN, PLAIN, FOLDED] = [0, 1, 2];
/** What is known of each unit: letters of most scripts are what they look like. */
const foldingOf = new Uint8Array(UNITS);

/** Whether a reader sees the unit as it is; never half a character. */
function isPlain(unit: number): boolean {
  if (unit < FIRST_BEYOND_ASCII) return true;
  if (foldingOf[unit] === UNKNOWN) {
    const character = String.fromCharCode(unit);
    const isHalf = unit >= FIRST_SURROGATE && unit <= LAST_SURROGATE;
    foldingOf[unit] = !isHalf && foldedCharacters.of(character) === character ? PLAIN : FOLDED;
  }
  return foldingOf[unit] === PLAIN;
}

/** As a reader sees it: without invisible characters, in compatibility form, look-alike letters as ASCII. */
export class FoldingStage implements Stage {
  private waiting: Waiting = { text: '', starts: [], ends: [] };

  /** Whether a text would be another one. */
  static readonly concerns = {
    test: (text: string): boolean => {
      // The runtime counts bytes many at a time: of ASCII there are as many as characters.
      if (text.length >= LONG_TEXT && Buffer.byteLength(text) === text.length) return false;
      for (let index = 0; index < text.length; index++) if (!isPlain(text.charCodeAt(index))) return true;
      return false;
    },
  };

  get waitsFrom(): number | null {
    return this.waiting.starts[0] ?? null;
  }

  feed(next: MappedPiece, isFinal: boolean): MappedPiece {
    const piece = join(this.waiting, next);
    const { text } = piece;
    const lastUnit = text.charCodeAt(text.length - 1);
    const isCut = !isFinal && lastUnit >= 0xd800 && lastUnit <= 0xdbff;
    const to = isCut ? text.length - 1 : text.length;
    const out = new MappedText();
    let from = 0;
    for (let index = 0; index < to; index++) {
      const unit = text.charCodeAt(index);
      if (isPlain(unit)) continue;
      out.copy(piece, from, index);
      const character = String.fromCodePoint(text.codePointAt(index) ?? unit);
      const last = index + character.length - 1;
      out.add(foldedCharacters.of(character), startOf(piece, index), endOf(piece, last));
      index = last;
      from = last + 1;
    }
    out.copy(piece, from, to);
    this.waiting = keep(piece, to);
    return out.finish(next.at);
  }
}

/** Escapes as `decodeEscapes` reads them, of one kind within each other as one. */
const ESCAPES =
  /\\+(?:u\{[0-9a-f]{1,6}\}|u[0-9a-f]{4}|U[0-9a-f]{8}|x[0-9a-f]{2}|[nrtbf"'`/])|\\{2,}|%(?:25)*[c-f][0-9a-f](?:%(?:25)*[89ab][0-9a-f]){1,3}|%(?:25)*[0-9a-f]{2}|&(?:amp;)*(?:#x[0-9a-f]{1,6};?|#[0-9]{1,7};?|[a-z]{1,8};)|&(?:amp;)+/gi;
/** What could still become one, or a longer one. */
const CUT_ESCAPE =
  /(?:\\{1,64}(?:u(?:\{[0-9a-f]{0,6}|[0-9a-f]{0,3})?|U[0-9a-f]{0,7}|x[0-9a-f]?)?|%(?:25){0,8}[0-9a-f]?|%(?:25){0,8}[c-f][0-9a-f](?:%(?:25){0,8}[89ab][0-9a-f]){0,2}(?:%(?:25){0,8}[0-9a-f]?)?|&(?:amp;){0,8}(?:#x[0-9a-f]{0,6}|#[0-9]{0,7}|[a-z]{0,8})?)$/i;
const MAX_CUT_ESCAPE = 128;

/** With one level of JSON, JavaScript, percent and HTML escapes decoded. */
export class UnescapingStage implements Stage {
  private waiting: Waiting = { text: '', starts: [], ends: [] };

  static readonly concerns = /[\\%&]/;

  get waitsFrom(): number | null {
    return this.waiting.starts[0] ?? null;
  }

  feed(next: MappedPiece, isFinal: boolean): MappedPiece {
    const piece = join(this.waiting, next);
    const { text } = piece;
    const to = isFinal ? text.length : beginningOfCut(text);
    const out = new MappedText();
    let from = 0;
    ESCAPES.lastIndex = 0;
    for (let match = ESCAPES.exec(text); match && match.index < to; match = ESCAPES.exec(text)) {
      out.copy(piece, from, match.index);
      from = match.index + match[0].length;
      out.add(decodedEscapes.of(match[0]), startOf(piece, match.index), endOf(piece, from - 1));
    }
    out.copy(piece, from, to);
    this.waiting = keep(piece, to);
    return out.finish(next.at);
  }
}

const decodedEscapes = new KnownTexts((written) => {
  const decoding = decodeEscapes(ScanText.of(written), ScanBudget.forCharacters(written.length));
  return runAtOnce(decoding)?.finish().text ?? written;
});

/** Where an escape begins that the text's end may have cut; its end where there is none. */
function beginningOfCut(text: string): number {
  const tail = text.slice(-MAX_CUT_ESCAPE);
  const cut = UnescapingStage.concerns.test(tail) ? CUT_ESCAPE.exec(tail) : null;
  return cut ? text.length - tail.length + cut.index : text.length;
}

const QUOTE = 34;
const BACKSLASH = 92;

/** JSON as its strings say: escapes in them decoded. */
export class JsonStage implements Stage {
  private waiting: Waiting = { text: '', starts: [], ends: [] };
  private inString = false;

  get waitsFrom(): number | null {
    return this.waiting.starts[0] ?? null;
  }

  feed(next: MappedPiece, isFinal: boolean): MappedPiece {
    const piece = join(this.waiting, next);
    const { text } = piece;
    const out = new MappedText();
    let index = 0;
    let from = 0;
    while (index < text.length) {
      const code = text.charCodeAt(index);
      if (code === QUOTE) this.inString = !this.inString;
      if (code !== BACKSLASH || !this.inString) {
        index++;
        continue;
      }
      out.copy(piece, from, index);
      from = index;
      const length = lengthOfEscape(text, index);
      if (index + length > text.length && !isFinal) break;
      const end = Math.min(index + length, text.length);
      out.add(saidInJson.of(text.slice(index, end)), startOf(piece, index), endOf(piece, end - 1));
      index = end;
      from = end;
    }
    out.copy(piece, from, index);
    this.waiting = keep(piece, Math.min(index, text.length));
    return out.finish(next.at);
  }
}

function lengthOfEscape(text: string, index: number): number {
  return text.charAt(index + 1) === 'u' ? 6 : 2;
}

const saidInJson = new KnownTexts((written) => {
  try {
    const said: unknown = JSON.parse(`"${written}"`);
    return typeof said === 'string' ? said : written;
  } catch {
    return written;
  }
});
