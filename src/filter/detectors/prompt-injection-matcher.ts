import { AnchorAutomaton } from '../engine/anchor-automaton.js';
import { ScanText } from '../engine/scan-text.js';
import { findMarkPlace, MARK_SIGNS } from './mark-places.js';
import { type Concept, SPACED_PHRASES, UNSPACED_PHRASES } from './prompt-injection-phrases.js';

/** A phrase in a text. */
export interface PhraseHit {
  readonly concept: Concept;
  readonly start: number;
  readonly end: number;
  /** How far in the text, counted in words: a sentence's end counts as some, an ideograph as half of one. */
  readonly place: number;
}

/** What a pass over a text tells. */
export interface PhrasePass {
  readonly hits: PhraseHit[];
  /** Runs without blanks that are long enough to be encoded text: start and end, one after the other. */
  readonly longRuns: number[];
  /** Where a mark of a prompt's structure may begin, in order. */
  readonly markPlaces: number[];
  /** Invisible characters between ASCII letters. */
  hiddenBetweenLetters: number;
  firstHidden: number;
  /** What tag characters and variation selectors spell, and where they begin; they are never shown. */
  hiddenText: string;
  hiddenTextStart: number;
}

const UNITS = 65_536;
const UNKNOWN = 0xffff;
const SKIPPED = 0xfffe;
const BLANK = 0xfffd;
/** Places are counted in halves of words while they are counted. */
const WORD_PLACES = 2;
const SENTENCE_PLACES = 6;
const MIN_ENCODED_RUN = 24;
/** Words within which a concept counts once. */
const REPEATED_WITHIN = 2;
const SPACE = 0x20;
const SOFT_HYPHEN = 0xad;
const FIRST_BEYOND_ASCII = 0x80;
const FIRST_UNSPACED = 0x2e80;
const INVISIBLE = /^[\p{Cf}\p{M}\u115f\u1160\u17b4\u17b5\u3164\uffa0]$/u;
/** Of the invisible ones those that belong to no script's own way of writing. */
const HIDDEN = /^\p{Cf}$/u;
const LETTER_OR_DIGIT = /^[\p{L}\p{N}]$/u;
/** Letters of other alphabets and digits that are read as Latin letters. Text and phrases are folded alike. */
const READ_AS: ReadonlyMap<string, string> = new Map(
  [
    ...'аa вb еe кk мm нh оo рp сc тt уy хx ѕs іi јj һh ԁd ԛq ԝw αa εe ιi κk νv οo ρp τt υu χx ıi ɡg 0o 1i 3e 4a 5s 7t @a $s'.split(
      ' ',
    ),
  ].map((pair) => [pair.slice(0, 1), pair.slice(1)]),
);

/** Every unit as it is compared: the unit it reads as, BLANK, or SKIPPED; learned as they are met. */
const readings = new Uint16Array(UNITS).fill(UNKNOWN);

function readUnit(unit: number): number {
  const known = readings[unit] ?? UNKNOWN;
  if (known !== UNKNOWN) return known;
  const reading = learnUnit(String.fromCharCode(unit));
  readings[unit] = reading;
  return reading;
}

function learnUnit(character: string): number {
  if (INVISIBLE.test(character)) return SKIPPED;
  const decomposed = character.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const composed = character.normalize('NFKC').toLowerCase();
  const plain = decomposed.length === 1 ? decomposed : composed.length === 1 ? composed : character;
  const read = READ_AS.get(plain) ?? plain;
  return LETTER_OR_DIGIT.test(read) ? read.charCodeAt(0) : BLANK;
}

interface PhraseTable {
  readonly automaton: AnchorAutomaton;
  readonly concepts: readonly Concept[];
  readonly lengths: readonly number[];
}

function makeTable(phrases: readonly (readonly [Concept, string])[]): PhraseTable {
  return {
    automaton: new AnchorAutomaton(phrases.map(([, phrase]) => phrase)),
    concepts: phrases.map(([concept]) => concept),
    lengths: phrases.map(([, phrase]) => phrase.length),
  };
}

function* listPhrases(): Generator<[Concept, string]> {
  for (const [concept, languages] of Object.entries(SPACED_PHRASES) as [Concept, readonly string[]][]) {
    const phrases = new Set(languages.flatMap((list) => list.split('|')).map(foldPhrase));
    for (const phrase of phrases) yield [concept, phrase];
  }
}

function* listUnspaced(): Generator<[Concept, string]> {
  for (const [concept, list] of Object.entries(UNSPACED_PHRASES) as [Concept, string][]) {
    for (const phrase of new Set(list.split('|').map((each) => fold(each)))) yield [concept, phrase];
  }
}

/** A phrase begins where a word does; `$` asks for the word's end too. */
function foldPhrase(phrase: string): string {
  const whole = phrase.endsWith('$');
  return ` ${fold(whole ? phrase.slice(0, -1) : phrase)}${whole ? ' ' : ''}`;
}

function fold(phrase: string): string {
  let folded = '';
  for (let index = 0; index < phrase.length; index++) {
    const unit = readUnit(phrase.charCodeAt(index));
    if (unit !== SKIPPED) folded += unit === BLANK ? ' ' : String.fromCharCode(unit);
  }
  return folded.trim();
}

const spaced = makeTable([...listPhrases()]);
const unspaced = makeTable([...listUnspaced()]);

/** Columns of the ASCII characters: of letters and digits, and of what stands between words. */
const blankColumn = spaced.automaton.columnOf[SPACE] ?? 0;
const asciiColumns = new Uint16Array(FIRST_BEYOND_ASCII);
/** Units within a word, of ASCII; and units that tell of a mark. */
const inWord = new Uint8Array(UNITS);
const tellsOfMark = new Uint8Array(FIRST_BEYOND_ASCII);
for (let unit = 0; unit < FIRST_BEYOND_ASCII; unit++) {
  const reading = readUnit(unit);
  asciiColumns[unit] = reading === BLANK ? blankColumn : (spaced.automaton.columnOf[reading] ?? 0);
  inWord[unit] = reading === BLANK ? 0 : 1;
  tellsOfMark[unit] = MARK_SIGNS.includes(String.fromCharCode(unit)) ? 1 : 0;
}

/** Reads a text once, in slices, and collects the phrases of all languages in it. */
export class PhraseReader implements PhrasePass {
  readonly hits: PhraseHit[] = [];
  readonly longRuns: number[] = [];
  readonly markPlaces: number[] = [0];
  hiddenBetweenLetters = 0;
  firstHidden = -1;
  hiddenText = '';
  hiddenTextStart = -1;
  private readonly toldUntil = new Map<Concept, number>();
  private state = 0;
  private unspacedState = 0;
  private place = 0;
  private afterBlank = true;
  private runStart = 0;
  private afterFlag = false;
  private index = 0;
  private readonly scanned: ScanText;

  constructor(private readonly text: string) {
    this.scanned = ScanText.of(text);
    this.step(BLANK, 0);
  }

  get isDone(): boolean {
    return this.index >= this.text.length;
  }

  /** Reads on to `limit`; at the end of the text also what ends there. */
  readTo(limit: number): void {
    const end = Math.min(limit, this.text.length);
    while (this.index < end) {
      this.readAscii(end);
      if (this.index < end) this.readOther(this.text.charCodeAt(this.index), this.index++);
    }
    if (!this.isDone) return;
    this.endRun(end);
    this.step(BLANK, end);
    this.scanned.release();
  }

  /** The way of nearly all characters. Phrases begin where words do: what goes on with a word that begins none is passed over. */
  private readAscii(end: number): void {
    const { units } = this.scanned;
    const { next, width, endsWord } = spaced.automaton;
    let { state, index, afterBlank, unspacedState } = this;
    for (; index < end; index++) {
      const unit = units[index] as number;
      if (unit >= FIRST_BEYOND_ASCII) break;
      const column = asciiColumns[unit] as number;
      const isBlank = column === blankColumn;
      if (isBlank) {
        if (unit <= SPACE) this.endRun(index);
        if (tellsOfMark[unit] === 1) this.noteMark(unit, index);
        if (afterBlank) continue;
        this.place += isSentenceEnd(unit) ? WORD_PLACES + SENTENCE_PLACES : WORD_PLACES;
      }
      afterBlank = isBlank;
      state = next[state * width + column] as number;
      if (endsWord[state] === 1) this.record(spaced, state, index);
      if (unspacedState !== 0) {
        const reading = isBlank ? SPACE : readUnit(unit);
        unspacedState = this.follow(unspaced, unspacedState, reading, index);
      } else if (state === 0) {
        while (index + 1 < end && inWord[units[index + 1] as number] === 1) index++;
      }
    }
    this.state = state;
    this.unspacedState = unspacedState;
    this.index = index;
    this.afterBlank = afterBlank;
  }

  private noteMark(unit: number, at: number): void {
    const place = findMarkPlace(this.scanned.units, unit, at);
    if (place >= 0) this.markPlaces.push(place);
  }

  private readOther(unit: number, at: number): void {
    if (unit >= 0xd800 && unit <= 0xdbff) {
      this.readAstral(at);
      return;
    }
    const reading = readUnit(unit);
    if (reading === SKIPPED) this.noteHidden(unit, at);
    else this.read(reading, unit, at);
  }

  private read(reading: number, unit: number, at: number): void {
    if (reading === BLANK) {
      if (this.afterBlank) return;
      this.place += isSentenceEnd(unit) ? WORD_PLACES + SENTENCE_PLACES : WORD_PLACES;
    } else if (reading >= FIRST_UNSPACED) {
      this.place++;
    }
    this.step(reading, at);
    this.afterBlank = reading === BLANK;
  }

  private step(reading: number, at: number): void {
    const column = reading === BLANK ? SPACE : reading;
    this.state = this.follow(spaced, this.state, column, at);
    if (reading >= FIRST_UNSPACED || this.unspacedState !== 0) {
      this.unspacedState = this.follow(unspaced, this.unspacedState, column, at);
    }
  }

  private follow(table: PhraseTable, state: number, unit: number, at: number): number {
    const { columnOf, next, width, endsWord } = table.automaton;
    const following = next[state * width + (columnOf[unit] ?? 0)] ?? 0;
    if (endsWord[following] === 1) this.record(table, following, at);
    return following;
  }

  private record({ automaton, concepts, lengths }: PhraseTable, state: number, at: number): void {
    const place = this.place / WORD_PLACES;
    const end = Math.min(at + 1, this.text.length);
    for (const word of automaton.wordsEndingIn(state)) {
      const concept = concepts[word];
      // The same said over and over is no news; a text of nothing else stays cheap.
      if (!concept || place < (this.toldUntil.get(concept) ?? 0)) continue;
      this.toldUntil.set(concept, place + REPEATED_WITHIN);
      this.hits.push({ concept, start: Math.max(0, at + 1 - (lengths[word] ?? 0)), end, place });
    }
  }

  /** Letters of mathematical alphabets read as plain ones; tag characters and variation selectors spell what nobody sees. */
  private readAstral(at: number): void {
    const code = this.text.codePointAt(at) ?? 0;
    if (code > 0xffff) this.index++;
    const isTag = code >= 0xe0000 && code <= 0xe007f;
    if (isTag || (code >= 0xe0100 && code <= 0xe01ef)) {
      // Flags of regions are a black flag and the tags of their code.
      if (this.afterFlag && isTag) return;
      if (this.hiddenTextStart === -1) this.hiddenTextStart = at;
      this.hiddenText += String.fromCharCode(isTag ? code - 0xe0000 : code - 0xe0100 + 16);
      return;
    }
    this.afterFlag = code === 0x1f3f4;
    const plain = code >= 0x1d400 && code <= 0x1d7ff ? String.fromCodePoint(code).normalize('NFKC') : ' ';
    this.read(readUnit(plain.charCodeAt(0)), plain.charCodeAt(0), at);
  }

  /** Invisible characters between ASCII letters hide a word; between others they are how a script is written. */
  private noteHidden(unit: number, at: number): void {
    const before = this.text.charCodeAt(at - 1);
    const after = this.text.charCodeAt(at + 1);
    const betweenLetters = (isAsciiLetter(before) || before === unit) && (isAsciiLetter(after) || after === unit);
    if (!betweenLetters || unit === SOFT_HYPHEN || !HIDDEN.test(String.fromCharCode(unit))) return;
    this.hiddenBetweenLetters++;
    if (this.firstHidden === -1) this.firstHidden = at;
  }

  private endRun(at: number): void {
    if (at - this.runStart >= MIN_ENCODED_RUN) this.longRuns.push(this.runStart, at);
    this.runStart = at + 1;
  }
}

/** `.` `!` `?`, also of East Asia. */
function isSentenceEnd(unit: number): boolean {
  return unit === 0x2e || unit === 0x21 || unit === 0x3f || unit === 0x3002 || unit === 0xff01 || unit === 0xff1f;
}

function isAsciiLetter(unit: number): boolean {
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x7a && unit < 0x80;
}
