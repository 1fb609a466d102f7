import { FoldingStage, JsonStage, type MappedPiece, type Stage, UnescapingStage } from './stages.js';
import type { StreamMatch } from './stream-match.js';
import type { StreamRules } from './stream-rules.js';
import { type BlockLimits, StreamScanner } from './stream-scanner.js';

/** How often escapes are decoded: those within each other are decoded at once, and JSON has been before. */
const ESCAPE_LEVELS = 1;
/** What is read first of a text whose beginning is not known is only looked at as what stands before. */
const UNKNOWN_BEGINNING = 8;

/**
 * A text in one of the forms it is read in (as it is, with escapes decoded, as a reader sees it), searched as it comes,
 * and the forms made from this one. A form that would be no other than this is not made.
 */
export class TextView {
  private readonly scanner: StreamScanner;
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  /** So many units of what it is made from came since the last that is written otherwise here. */
  private quietUnits = 0;
  private folded: TextView | null = null;
  private decoded: TextView | null = null;

  private constructor(
    private readonly rules: StreamRules,
    private readonly stage: Stage | null,
    /** How often escapes may still be decoded. */
    private readonly levels: number,
    private readonly mayFold: boolean,
    private readonly blocks: BlockLimits,
    past: string,
    isWhole: boolean,
  ) {
    this.scanner = new StreamScanner(rules, blocks, past, isWhole ? 0 : UNKNOWN_BEGINNING);
  }

  static of(rules: StreamRules, isJson: boolean): TextView {
    if (!isJson) return new TextView(rules, null, ESCAPE_LEVELS, true, 'anywhere', '', true);
    const view = new TextView(rules, null, ESCAPE_LEVELS, true, 'nowhere', '', true);
    view.decoded = new TextView(rules, new JsonStage(), ESCAPE_LEVELS, true, 'between quotes', '', true);
    return view;
  }

  push(piece: MappedPiece, isFinal: boolean): void {
    const own = this.stage ? this.stage.feed(piece, isFinal) : piece;
    this.chooseForms(own);
    this.scanner.push(own.text);
    if (own.map) {
      for (const start of own.map.starts) this.starts.push(start);
      for (const end of own.map.ends) this.ends.push(end);
    }
    this.folded?.push(own, isFinal);
    this.decoded?.push(own, isFinal);
  }

  /** Adds what is found to `found`, in places of the original; returns from where on the original must wait. */
  settle(end: number, isFinal: boolean, found: StreamMatch[]): number {
    const first = found.length;
    const hold = this.scanner.settle(isFinal, found);
    let holds = hold < this.scanner.end ? this.startOf(hold) : (this.stage?.waitsFrom ?? end);
    // Nobody knows yet whether what is invisible there stands within what is being dropped.
    if (this.stage && this.scanner.isDropping) holds = Math.min(holds, this.endOf(hold));
    if (this.stage) for (let index = first; index < found.length; index++) this.place(found, index);
    if (this.folded) holds = Math.min(holds, this.folded.settle(end, isFinal, found));
    if (this.decoded) holds = Math.min(holds, this.decoded.settle(end, isFinal, found));
    const trimmed = this.scanner.trim(hold);
    if (trimmed > 0 && this.stage) {
      this.starts.splice(0, trimmed);
      this.ends.splice(0, trimmed);
    }
    return holds;
  }

  /** Makes the forms that would be others than this one, and gives up those that are not any more. */
  private chooseForms(piece: MappedPiece): void {
    if (this.mayFold) this.folded = this.choose(this.folded, FoldingStage, piece, this.levels, false);
    if (this.levels > 0)
      this.decoded = this.choose(this.decoded, UnescapingStage, piece, this.levels - 1, this.mayFold);
  }

  private choose(
    form: TextView | null,
    Form: typeof FoldingStage | typeof UnescapingStage,
    piece: MappedPiece,
    levels: number,
    mayFold: boolean,
  ): TextView | null {
    if (form?.stage instanceof JsonStage) return form;
    if (!Form.concerns.test(piece.text)) {
      if (form) form.quietUnits += piece.text.length;
      return form?.isUseless ? null : form;
    }
    const chosen = form ?? this.begin(new Form(), levels, mayFold);
    chosen.quietUnits = 0;
    return chosen;
  }

  /** Whether this form has been the same as the one it is made from for as long as the rules look back. */
  private get isUseless(): boolean {
    if (this.quietUnits <= this.rules.reach + this.rules.lookback + UNKNOWN_BEGINNING) return false;
    return this.scanner.isIdle && this.folded === null && this.decoded === null;
  }

  /** A new form, which reads what is still looked at of this one first. */
  private begin(stage: Stage, levels: number, mayFold: boolean): TextView {
    const { start, recent, before } = this.scanner;
    const view = new TextView(this.rules, stage, levels, mayFold, this.blocks, before, start === 0);
    view.scanner.continueBlocks(this.scanner);
    const map = this.stage ? { starts: [...this.starts], ends: [...this.ends] } : null;
    if (recent !== '') view.push({ text: recent, at: start, map }, false);
    return view;
  }

  private place(found: StreamMatch[], index: number): void {
    const match = found[index];
    if (!match) return;
    const start = this.startOf(match.start);
    const wholeStart = this.startOf(match.wholeStart);
    found[index] = { ...match, start, wholeStart, end: this.endOf(match.end), wholeEnd: this.endOf(match.wholeEnd) };
  }

  private startOf(index: number): number {
    return this.stage ? (this.starts[index - this.scanner.start] ?? 0) : index;
  }

  private endOf(index: number): number {
    return this.stage ? (this.ends[index - 1 - this.scanner.start] ?? 0) : index;
  }
}
