import type { Detection, TextRange } from '../../domain/detector.js';
import { decodeRuns } from '../encoded-runs.js';
import { NEAR } from '../engine/anchor-table.js';
import type { RuleMatch, TextMatches } from '../engine/rule-match.js';
import type { RuleScanner } from '../engine/rule-scanner.js';
import type { ScanBudget } from '../engine/scan-budget.js';
import { ScanText } from '../engine/scan-text.js';
import * as cost from '../engine/step-costs.js';
import { decodeEscapes, mayHoldEscapes } from '../escapes.js';
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
      found.moveTo(from, from === 0 ? 0 : from + OVERLAP / 2, last ? text.length + 1 : from + WINDOW - OVERLAP / 2);
      const whole = ScanText.of(window);
      const view = {
        text: whole,
        map: identityMap,
        stretches: [{ start: 0, end: window.length }],
        release: () => whole.release(),
        isNew: () => true,
      };
      yield* this.look(view, { escapes: ESCAPE_LEVELS, runs: true }, budget, found);
      if (last) return found.sorted();
      yield;
    }
  }

  /** Searches a view, and what it decodes to. The view is not to be used any more. */
  private *look(view: View, decoding: Decoding, budget: ScanBudget, found: FoundMatches): Generator<void, void> {
    let seen = view;
    const scan = yield* this.scanView(view, budget, found);
    let looksFar = scan.reachesFar;
    if (!scan.isAscii) {
      budget.spend(cost.DECODE * view.text.length);
      const folded = foldUnicode(view.text);
      if (folded) {
        budget.spend(cost.REPLACEMENT * folded.replacedCount);
        seen = derive(view, folded, looksFar, () => true);
        const { reachesFar } = yield* this.scanView(seen, budget, found);
        looksFar ||= reachesFar;
      }
    }
    // What was settled before it was decoded was decoded as far as can be.
    const settle = (derived: DerivedText): View => {
      const settled = derive(seen, derived, looksFar, (start, end) => derived.isTouched(start, end));
      budget.spend(cost.DERIVED * settled.text.length);
      return settled;
    };
    if (budget.passedSlice()) yield;
    if (decoding.runs) {
      budget.spend(cost.READ * seen.text.length);
      const inner = { escapes: Math.min(decoding.escapes, 1), runs: false };
      const decoded = yield* decodeRuns(seen.text, budget, seen.isNew);
      if (decoded) yield* this.look(settle(decoded), inner, budget, found);
      const spaced = decodeSpacedHex(seen.text, budget);
      if (spaced) yield* this.look(settle(spaced), inner, budget, found);
    }
    if (decoding.escapes > 0 && mayHoldEscapes(seen.text)) {
      const unescaped = yield* decodeEscapes(seen.text, budget, seen.isNew);
      if (unescaped) {
        const inner = { escapes: decoding.escapes - 1, runs: decoding.runs };
        yield* this.look(settle(unescaped), inner, budget, found);
      }
    }
    if (seen !== view) seen.release();
    view.release();
  }

  private *scanView(view: View, budget: ScanBudget, found: FoundMatches): Generator<void, TextMatches> {
    const scan = yield* this.scanner.scanText(view.text, budget, view.stretches);
    for (const match of scan.matches) found.add(match, view.map);
    return scan;
  }
}

/** `looksFar`: something was met that a change anywhere may have made a match of. */
function derive(from: View, derived: DerivedText, looksFar: boolean, isNew: View['isNew']): View {
  const text = derived.finish();
  const stretches = looksFar ? [{ start: 0, end: text.length }] : derived.stretchesNear(NEAR);
  const release = (): void => {
    text.release();
    derived.release();
  };
  return { text, map: chainMaps(from.map, derived), stretches, release, isNew };
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
