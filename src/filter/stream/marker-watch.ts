import { MARKER_DIGEST_DIGITS, MAX_MARKER_RULE_LENGTH, type MarkerSource } from '../../domain/pseudonym.js';
import { PartialPattern } from '../rules/partial-pattern.js';

/** What stands for a value in the model's text, and the value. Indexes count UTF-16 units from the text's beginning. */
export interface FoundMarker {
  readonly start: number;
  readonly end: number;
  readonly value: string;
}

/** A marker as a model may write it: in any case, with single blanks in it, its underscores escaped as in Markdown. */
const PATTERN = `\\[ ?\\[ ?AEGIS ?: ?[A-Z0-9_\\\\]{1,${MAX_MARKER_RULE_LENGTH * 2}} ?: ?(?:[0-9a-f] ?){${MARKER_DIGEST_DIGITS}}\\] ?\\]`;
const WHOLE = new RegExp(PATTERN, 'iy');
const BEGINNING = PartialPattern.of(PATTERN, true);
const HEAD = '[';

/** Finds the markers of one request in a text that is still being written. */
export class MarkerWatch {
  private text = '';
  private base = 0;
  private next = 0;

  constructor(private readonly source: MarkerSource) {}

  push(piece: string): void {
    this.text += piece;
  }

  /** Adds markers to `found`; returns from where on the text must wait. */
  settle(isFinal: boolean, found: FoundMarker[]): number {
    for (;;) {
      const at = this.text.indexOf(HEAD, this.next - this.base);
      if (at === -1) break;
      if (!isFinal && BEGINNING.isViable(this.text, at) && !WHOLE_AT_END.test(this.text.slice(at))) {
        this.forget(at);
        return this.base;
      }
      WHOLE.lastIndex = at;
      const written = WHOLE.exec(this.text)?.[0];
      const value = written === undefined ? null : this.source.valueOf(canonical(written));
      if (written !== undefined && value !== null) {
        found.push({ start: this.base + at, end: this.base + at + written.length, value });
      }
      this.next = this.base + at + (value === null ? 1 : (written?.length ?? 1));
    }
    this.forget(this.text.length);
    return this.base;
  }

  private forget(units: number): void {
    this.text = this.text.slice(units);
    this.base += units;
    this.next = Math.max(this.next, this.base);
  }
}

/** Nothing that follows can change a marker that is whole. */
const WHOLE_AT_END = new RegExp(`^${PATTERN}$`, 'i');

function canonical(written: string): string {
  const [, rule = '', digits = ''] = /:([^:]*):([^\]]*)/.exec(written.replaceAll(/[ \\]/g, '')) ?? [];
  return `[[AEGIS:${rule.toUpperCase()}:${digits.toLowerCase()}]]`;
}
