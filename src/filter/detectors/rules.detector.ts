import type { Detection, TextRange } from '../../domain/detector.js';
import { decodeRuns } from '../encoded-runs.js';
import { NEAR } from '../engine/anchor-table.js';
import type { RuleMatch, TextMatches } from '../engine/rule-match.js';
import type { RuleScanner } from '../engine/rule-scanner.js';
import type { ScanBudget } from '../engine/scan-budget.js';
import { ScanText } from '../engine/scan-text.js';
import * as cost from '../engine/step-costs.js';
import { decodeEscapes, mayHoldEscapes } from '../escapes.js';
import { Joins } from '../joins.js';
import { foldUnicode } from '../normaliser.js';
import type { ScanRule } from '../rules/scan-rule.js';
import { chainMaps, type DerivedText, identityMap, type SourceMap } from '../source-map.js';
import { decodeSpacedHex } from '../spaced-hex.js';
import type { TextDetector } from './text-detector.js';

/**
 * Long texts are searched in windows, so that what is decoded of them stays small. Each match belongs to the window
 * that sees `OVERLAP / 2` before and after its start; no rule takes more than that.
 */
const OVERLAP = 16_384;
const STEP = 131_072;
const WINDOW = STEP + OVERLAP;
/**
 * A window is searched so far beyond where its own matches begin. What tells of one stands closer to its beginning: a name
 * at most 500 characters before its value, an anchor at most 80 behind.
 */
const MARGIN = 2_048;
/** Escapes of one kind inside each other are decoded at once; these are kinds inside each other. */
const ESCAPE_LEVELS = 2;

/** No text is as long: two places in one are one number. */
const LONGEST_TEXT = 2 ** 26;

/** A text that a part of the original stands for, and the way back. */
interface View {
  readonly text: ScanText;
  readonly map: SourceMap;
  /** Where to search: what was searched before needs no second look. */
  readonly stretches: readonly TextRange[];
  /** Neither the text nor the way back is to be used any more. */
  release(): void;
  /** Whether a stretch was not there before the text was decoded. */
  isNew(start: number, end: number): boolean;
}

/** What is still to be decoded in a view. */
interface Decoding {
  readonly escapes: number;
  readonly runs: boolean;
  /** Whether characters are read as those of ASCII they look like. */
  readonly folds: boolean;
}

/** Finds what rules describe in a text as it is and in everything it stands for: escapes, base64, hexadecimal, Unicode forms. */
export class RulesDetector implements TextDetector {
  constructor(private readonly scanner: RuleScanner) {}

  /** Every match once: what lies in another is still told. */
  *scan(text: string, budget: ScanBudget): Generator<void, readonly Detection[]> {
    const found = new FoundMatches();
    if (this.scanner.readsNumbers) budget.allowNumbers(text.length);
    for (let from = 0; ; from += STEP) {
      const last = from + WINDOW >= text.length;
      const window = from === 0 && last ? text : text.slice(from, from + WINDOW);
      const ownFrom = from === 0 ? 0 : OVERLAP / 2;
      const ownTo = last ? window.length + 1 : WINDOW - OVERLAP / 2;
      found.moveTo(from, from + ownFrom, from + ownTo);
      const whole = ScanText.of(window);
      const view = {
        text: whole,
        map: identityMap,
        stretches: [{ start: Math.max(0, ownFrom - MARGIN), end: Math.min(window.length, ownTo + MARGIN) }],
        release: () => whole.release(),
        isNew: () => true,
      };
      yield* this.look(view, { escapes: ESCAPE_LEVELS, runs: true, folds: true }, budget, found);
      if (last) return found.sorted();
      yield;
    }
  }

  /** Searches a view, the same folded, and what they decode to. The view is not to be used any more. */
  private *look(view: View, decoding: Decoding, budget: ScanBudget, found: FoundMatches): Generator<void, void> {
    const scan = yield* this.scanView(view, budget, found);
    const folded = decoding.folds && !scan.isAscii ? fold(view, scan.reachesFar, budget) : null;
    if (folded === null) {
      yield* this.decode(view, scan.reachesFar, decoding, budget, found);
    } else {
      const { reachesFar } = yield* this.scanView(folded, budget, found);
      const holdsMore = yield* this.decode(folded, scan.reachesFar || reachesFar, decoding, budget, found);
      folded.release();
      const apart = holdsMore ? beforeJoining(view, scan.reachesFar, budget) : null;
      if (apart) yield* this.decode(apart, scan.reachesFar, { ...decoding, folds: false }, budget, found);
    }
    view.release();
  }

  /** Looks at what a view stands for once its escapes, or what it holds in base64 or hexadecimal, are read; false where nothing is. */
  private *decode(
    view: View,
    looksFar: boolean,
    decoding: Decoding,
    budget: ScanBudget,
    found: FoundMatches,
  ): Generator<void, boolean> {
    const { folds } = decoding;
    let holdsMore = false;
    const settle = (derived: DerivedText): View => {
      holdsMore = true;
      const settled = derive(view, derived, looksFar);
      budget.spend(cost.DERIVED * settled.text.length);
      return settled;
    };
    if (budget.passedSlice()) yield;
    if (decoding.runs) {
      budget.spend(cost.READ * view.text.length);
      const inner = { escapes: Math.min(decoding.escapes, 1), runs: false, folds };
      const decoded = yield* decodeRuns(view.text, budget, view.isNew);
      if (decoded) yield* this.look(settle(decoded), inner, budget, found);
      const spaced = decodeSpacedHex(view.text, budget);
      if (spaced) yield* this.look(settle(spaced), inner, budget, found);
    }
    if (decoding.escapes > 0 && mayHoldEscapes(view.text)) {
      const unescaped = yield* decodeEscapes(view.text, budget, view.isNew);
      if (unescaped) {
        const inner = { escapes: decoding.escapes - 1, runs: decoding.runs, folds };
        yield* this.look(settle(unescaped), inner, budget, found);
      }
    }
    return holdsMore;
  }

  private *scanView(view: View, budget: ScanBudget, found: FoundMatches): Generator<void, TextMatches> {
    const scan = yield* this.scanner.scanText(view.text, budget, view.stretches);
    for (const match of scan.matches) found.add(match, view.map);
    return scan;
  }
}

/**
 * What was settled before it was decoded was decoded as far as can be. `looksFar`: something was met that a change anywhere
 * may have made a match of.
 */
function derive(from: View, derived: DerivedText, looksFar: boolean, isNew?: View['isNew']): View {
  const text = derived.finish();
  const stretches = looksFar ? [{ start: 0, end: text.length }] : derived.stretchesNear(NEAR);
  const release = (): void => {
    text.release();
    derived.release();
  };
  const isTouched: View['isNew'] = (start, end) => derived.isTouched(start, end);
  return { text, map: chainMaps(from.map, derived), stretches, release, isNew: isNew ?? isTouched };
}

/** The view as a reader sees it; null where it is that. */
function fold(view: View, looksFar: boolean, budget: ScanBudget): View | null {
  budget.spend(cost.DECODE * view.text.length);
  const folded = foldUnicode(view.text);
  if (!folded) return null;
  budget.spend(cost.REPLACEMENT * folded.replacedCount);
  return derive(view, folded, looksFar, () => true);
}

/**
 * What of a view is to be decoded as it is, although it was decoded as a reader sees it: a letter that looks like one of
 * ASCII makes a word longer only for who sees it so, and a credential beside it is one by itself for all others. Null where
 * nothing is.
 */
function beforeJoining(view: View, looksFar: boolean, budget: ScanBudget): View | null {
  budget.spend(cost.READ * view.text.length);
  const joins = Joins.in(view.text);
  if (!joins || looksFar) return joins && view;
  return { ...view, isNew: (start, end) => view.isNew(start, end) && joins.isNear(start - NEAR, end + NEAR) };
}

/** Matches in indexes of the whole text, each once. */
class FoundMatches {
  private readonly detections: Detection[] = [];
  private readonly known = new Map<ScanRule, Set<number>>();
  private windowAt = 0;
  private ownFrom = 0;
  private ownTo = 0;

  /** From now on matches are those of the window at `windowAt`; only those that begin in `[ownFrom, ownTo)` are its own. */
  moveTo(windowAt: number, ownFrom: number, ownTo: number): void {
    this.windowAt = windowAt;
    this.ownFrom = ownFrom;
    this.ownTo = ownTo;
  }

  add({ rule, ...match }: RuleMatch, map: SourceMap): void {
    const whole = this.place(map, match.start, match.end);
    if (whole.start < this.ownFrom || whole.start >= this.ownTo) return;
    const secret = this.place(map, match.secretStart, match.secretEnd);
    const place = secret.start * LONGEST_TEXT + secret.end;
    const known = this.known.get(rule) ?? new Set();
    if (known.has(place)) return;
    this.known.set(rule, known.add(place));
    const isWhole = whole.start === secret.start && whole.end === secret.end;
    const { id, filter, actions } = rule;
    this.detections.push({ filter, rule: id, actions, ...secret, ...(!isWhole && { whole }) });
  }

  sorted(): Detection[] {
    return this.detections.sort((one, other) => one.start - other.start || other.end - one.end);
  }

  private place(map: SourceMap, start: number, end: number): { start: number; end: number } {
    const range = map.toSource(start, end);
    return { start: this.windowAt + range.start, end: this.windowAt + range.end };
  }
}
