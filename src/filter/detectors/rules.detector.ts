import type { Detection } from '../../domain/detector.js';
import { decodeRuns } from '../encoded-runs.js';
import type { RuleMatch, RuleScanner } from '../engine/rule-scanner.js';
import type { ScanBudget } from '../engine/scan-budget.js';
import { type DecodedText, decodeEscapes, foldUnicode } from '../normaliser.js';
import { chainMaps, identityMap, type SourceMap } from '../source-map.js';
import type { TextDetector } from './text-detector.js';

/**
 * Long texts are searched in windows, so that what is decoded of them stays small. Each match belongs to the window
 * that sees `OVERLAP / 2` before and after its start; no rule takes more than that.
 */
const WINDOW = 65_536;
const OVERLAP = 16_384;
/** Escapes inside escapes: JSON in a tool call's arguments holds JSON of its own. */
const ESCAPE_LEVELS = 2;

interface PlacedMatch {
  readonly rule: RuleMatch['rule'];
  /** The whole match and the credential in it, in indexes of the text. */
  readonly start: number;
  readonly end: number;
  readonly secretStart: number;
  readonly secretEnd: number;
}

/** Finds what rules describe in a text as it is and in everything it stands for: escapes, base64, hexadecimal, Unicode forms. */
export class RulesDetector implements TextDetector {
  constructor(private readonly scanner: RuleScanner) {}

  *scan(text: string, budget: ScanBudget): Generator<void, readonly Detection[]> {
    const found: PlacedMatch[] = [];
    for (let from = 0; ; from += WINDOW - OVERLAP) {
      const last = from + WINDOW >= text.length;
      const window = from === 0 && last ? text : text.slice(from, from + WINDOW);
      const ownFrom = from === 0 ? 0 : from + OVERLAP / 2;
      const ownTo = last ? text.length : from + WINDOW - OVERLAP / 2;
      for (const match of yield* this.scanWindow(window, budget)) {
        const start = from + match.start;
        if (start < ownFrom || start >= ownTo) continue;
        found.push({
          rule: match.rule,
          start,
          end: from + match.end,
          secretStart: from + match.secretStart,
          secretEnd: from + match.secretEnd,
        });
      }
      if (last) break;
      yield;
    }
    return found.length === 0 ? [] : this.choose(found);
  }

  /** The text itself, then what it decodes to, level by level. */
  private *scanWindow(window: string, budget: ScanBudget): Generator<void, PlacedMatch[]> {
    const found: PlacedMatch[] = [];
    let view: DecodedText | null = { text: window, map: identityMap };
    for (let level = 0; view !== null && level <= ESCAPE_LEVELS; level++) {
      yield* this.scanView(view, budget, found);
      const folded = yield* this.fold(view, budget, found);
      for (const run of decodeRuns(folded.text, budget)) {
        if (run) yield* this.scanDecoded({ text: run.text, map: chainMaps(folded.map, run.map) }, budget, found);
        else yield;
      }
      view = level < ESCAPE_LEVELS ? decodeEscapesOf(view) : null;
      if (budget.passedSlice()) yield;
    }
    return found;
  }

  /** What base64 or hexadecimal held is read like a text of its own, with one level of escapes. */
  private *scanDecoded(view: DecodedText, budget: ScanBudget, found: PlacedMatch[]): Generator<void, void> {
    yield* this.scanView(view, budget, found);
    const unescaped = decodeEscapesOf(yield* this.fold(view, budget, found));
    if (unescaped) yield* this.scanView(unescaped, budget, found);
  }

  /** Searches the view as a reader sees it, where that is another; returns how a reader sees it. */
  private *fold(view: DecodedText, budget: ScanBudget, found: PlacedMatch[]): Generator<void, DecodedText> {
    budget.spend(view.text.length);
    const folded = foldUnicode(view.text);
    if (!folded) return view;
    if (budget.passedSlice()) yield;
    const seen = { text: folded.text, map: chainMaps(view.map, folded.map) };
    yield* this.scanView(seen, budget, found);
    return seen;
  }

  private *scanView(view: DecodedText, budget: ScanBudget, found: PlacedMatch[]): Generator<void, void> {
    for (const match of yield* this.scanner.scan(view.text, budget)) found.push(place(match, view.map));
  }

  /**
   * Drops what another match already covers: the same in another form, or a part of something larger. A rule with an
   * action of its own never covers another's match: a flag must not hide a block.
   */
  private choose(found: PlacedMatch[]): Detection[] {
    found.sort((first, second) => first.start - second.start || second.end - first.end);
    const chosen: Detection[] = [];
    let coveredTo = -1;
    for (const { rule, end, secretStart, secretEnd } of found) {
      const { id, filter, actions } = rule;
      if (actions.request === null && actions.response === null) {
        if (end <= coveredTo) continue;
        coveredTo = end;
      }
      chosen.push({ filter, rule: id, actions, start: secretStart, end: secretEnd });
    }
    return chosen;
  }
}

function decodeEscapesOf({ text, map }: DecodedText): DecodedText | null {
  const decoded = decodeEscapes(text);
  return decoded && { text: decoded.text, map: chainMaps(map, decoded.map) };
}

function place(match: RuleMatch, map: SourceMap): PlacedMatch {
  const whole = map.toSource(match.start, match.end);
  const secret = map.toSource(match.secretStart, match.secretEnd);
  return {
    rule: match.rule,
    start: whole.start,
    end: whole.end,
    secretStart: secret.start,
    secretEnd: secret.end,
  };
}
