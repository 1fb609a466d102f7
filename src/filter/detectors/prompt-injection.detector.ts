import type { Detection } from '../../domain/detector.js';
import type { ScanBudget } from '../engine/scan-budget.js';
import { combinePhrases, type InjectionFamily, type InjectionSignal } from './prompt-injection-families.js';
import { PhraseReader } from './prompt-injection-matcher.js';
import { findMarks, isQuoted } from './prompt-injection-structure.js';
import type { TextDetector } from './text-detector.js';

/** Scores from which a text is flagged, and blocked; 1 to 100, 0 for `blockAt`: never. */
export interface InjectionThresholds {
  readonly flagAt: number;
  readonly blockAt: number;
}

/** How much a text looks like an attempt to take over the model, 0 to 100, and why. */
export interface InjectionAssessment {
  readonly score: number;
  readonly signals: readonly InjectionSignal[];
}

const SLICE = 16_384;
/** What work takes, in the budget's steps. */
const STEPS_PER_CHARACTER = 8;
const STEPS_PER_PHRASE = 150;
const STEPS_PER_MARK = 500;
/** Signals so far apart have nothing to do with each other: long texts are not worse for being long. */
const NEIGHBOURHOOD = 1_500;
/** What is told of an attack weighs less than the attack: quoted beside words of the trade, or either. */
const DISCUSSED = { quotedAndAbout: 0.5, about: 0.85, quoted: 0.92 };
const MIN_HIDDEN_BETWEEN_LETTERS = 3;
const MIN_HIDDEN_TEXT = 4;
const MAX_ENCODED = 16_384;
const MAX_ENCODED_RUNS = 32;
const BASE64 = /[A-Za-z0-9+/_-]{24,}={0,2}/g;
const PRINTABLE =
  /^[\t\n\r -\x7e\u00a0-\u024f\u0400-\u04ff\u2010-\u2027\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef]+$/;

/**
 * Scores texts by what attempts to take over a model have in common, in a dozen languages. Heuristics: they miss what is said in
 * other words, and a text about attacks can look like one. Linear in the text's length.
 */
export class PromptInjectionDetector implements TextDetector {
  constructor(private readonly thresholds: InjectionThresholds) {}

  /** Nothing below `flagAt`; else each family that was seen once, where it is strongest. */
  *scan(text: string, budget: ScanBudget): Generator<void, readonly Detection[]> {
    const { flagAt, blockAt } = this.thresholds;
    const { score, signals } = yield* this.assess(text, budget);
    if (score < flagAt) return [];
    const request = blockAt > 0 && score >= blockAt ? 'block' : 'flag';
    const strongest = new Map<InjectionFamily, InjectionSignal>();
    for (const signal of signals) {
      const known = strongest.get(signal.family);
      if (!known || known.weight < signal.weight) strongest.set(signal.family, signal);
    }
    return [...strongest.values()].map(({ family, start, end }) => ({
      filter: 'prompt_injection',
      rule: family,
      actions: { request, response: 'off' },
      start,
      end,
    }));
  }

  *assess(text: string, budget: ScanBudget): Generator<void, InjectionAssessment> {
    const { signals, aboutAt } = yield* this.collect(text, budget, true);
    return { score: scoreOf(text, signals, aboutAt), signals };
  }

  private *collect(text: string, budget: ScanBudget, decode: boolean): Generator<void, Collected> {
    const reader = new PhraseReader(text);
    for (let read = 0; read < text.length; read += SLICE) {
      reader.readTo(read + SLICE);
      budget.spend(STEPS_PER_CHARACTER * Math.min(SLICE, text.length - read));
      if (budget.passedSlice()) yield;
    }
    const signals = [...findHiddenLetters(reader)];
    for (let index = 0; index < reader.hits.length; index++) {
      signals.push(...combinePhrases(reader.hits, index));
      budget.spend(STEPS_PER_PHRASE);
      if (budget.passedSlice()) yield;
    }
    for (const mark of findMarks(text, reader.markPlaces)) {
      if (mark) signals.push(mark);
      budget.spend(STEPS_PER_MARK);
      if (budget.passedSlice()) yield;
    }
    const aboutAt = reader.hits.filter(({ concept }) => concept === 'about').map(({ start }) => start);
    if (!decode) return { signals, aboutAt };
    for (const { decoded, start, end } of decodings(text, reader)) {
      const inner = yield* this.collect(decoded, budget, false);
      const score = scoreOf(decoded, inner.signals, inner.aboutAt);
      const isHidden = decoded === reader.hiddenText;
      const weight = isHidden ? Math.max(70, score) : score;
      if (weight >= 30) signals.push({ family: isHidden ? 'hidden-text' : 'encoded-instruction', weight, start, end });
    }
    return { signals, aboutAt };
  }
}

interface Collected {
  readonly signals: InjectionSignal[];
  /** Where words of the trade stand: texts about attacks. */
  readonly aboutAt: readonly number[];
}

function findHiddenLetters({ hiddenBetweenLetters, firstHidden }: PhraseReader): InjectionSignal[] {
  if (hiddenBetweenLetters < MIN_HIDDEN_BETWEEN_LETTERS) return [];
  const weight = Math.min(55, 25 + 3 * hiddenBetweenLetters);
  return [{ family: 'hidden-text', weight, start: firstHidden, end: firstHidden + 1 }];
}

interface Decoding {
  readonly decoded: string;
  readonly start: number;
  readonly end: number;
}

/** What a text holds that a reader does not see: text in tag characters, and in base64. */
function* decodings(text: string, reader: PhraseReader): Generator<Decoding> {
  if (reader.hiddenText.length >= MIN_HIDDEN_TEXT) {
    const start = reader.hiddenTextStart;
    yield { decoded: reader.hiddenText, start, end: Math.min(text.length, start + 2 * reader.hiddenText.length) };
  }
  for (let index = 0; index < Math.min(reader.longRuns.length, 2 * MAX_ENCODED_RUNS); index += 2) {
    const from = reader.longRuns[index] ?? 0;
    const run = text.slice(from, Math.min(reader.longRuns[index + 1] ?? 0, from + MAX_ENCODED));
    for (const match of run.matchAll(BASE64)) {
      const decoded = Buffer.from(match[0], 'base64').toString('utf8');
      if (!PRINTABLE.test(decoded)) continue;
      yield { decoded, start: from + match.index, end: from + match.index + match[0].length };
    }
  }
}

/** The strongest neighbourhood counts: of each family its strongest signal, each leaving less room for doubt. */
function scoreOf(text: string, signals: readonly InjectionSignal[], aboutAt: readonly number[]): number {
  if (signals.length === 0) return 0;
  const about = new Set(aboutAt.map((at) => Math.floor(at / NEIGHBOURHOOD)));
  const places = new Map<number, InjectionSignal[]>();
  for (const signal of signals) {
    const place = Math.floor(signal.start / NEIGHBOURHOOD);
    for (const each of [place, place + 1]) addSignal(places, each, signal);
  }
  let score = 0;
  for (const [place, around] of places) {
    const isAbout = about.has(place) || about.has(place - 1);
    score = Math.max(score, combine(text, around, isAbout));
  }
  return Math.round(score);
}

function addSignal(places: Map<number, InjectionSignal[]>, place: number, signal: InjectionSignal): void {
  const known = places.get(place);
  if (!known) places.set(place, [signal]);
  else if (known.length < MAX_SIGNALS) known.push(signal);
  else if (signal.weight > (known.at(-1)?.weight ?? 0)) known[MAX_SIGNALS - 1] = signal;
}

/** More signals of a neighbourhood add nothing. */
const MAX_SIGNALS = 64;
/** Two signals of a family are mostly one thing seen twice. */
const SECOND_OF_A_FAMILY = 0.4;

function combine(text: string, signals: readonly InjectionSignal[], isAbout: boolean): number {
  const weights = new Map<InjectionFamily, number[]>();
  let discussed = 0;
  for (const { family, weight, start, end } of signals) {
    const quoted = isQuoted(text, start, end);
    if (quoted && isAbout) discussed = Math.max(discussed, weight * DISCUSSED.quotedAndAbout);
    else {
      const counted = weight * (isAbout ? DISCUSSED.about : quoted ? DISCUSSED.quoted : 1);
      weights.set(family, [...(weights.get(family) ?? []), counted]);
    }
  }
  const counting = [...weights.values()].flatMap((family) => {
    const [strongest = 0, second = 0] = family.sort((first, other) => other - first);
    return [strongest, second * SECOND_OF_A_FAMILY];
  });
  return 100 * (1 - [...counting, discussed].reduce((doubt, weight) => doubt * (1 - weight / 100), 1));
}
