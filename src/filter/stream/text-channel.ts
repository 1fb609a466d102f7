import type { FilterAction } from '../../domain/finding.js';
import type { MarkerSource } from '../../domain/pseudonym.js';
import { type Chosen, choose } from '../choice.js';
import { markerOf } from '../redaction.js';
import { runAtOnce } from '../slices.js';
import { JsonCursor } from './json-cursor.js';
import { type FoundMarker, MarkerWatch } from './marker-watch.js';
import type { StreamMatch } from './stream-match.js';
import type { StreamRules } from './stream-rules.js';
import { TextView } from './text-view.js';

/** Long pieces are read in steps, so that little of them is looked at twice. */
const MAX_STEP_UNITS = 2_048;

/** Something was found that must not go out. `before` is the text that may. */
export class BlockedTextError extends Error {
  constructor(readonly before: string) {
    super('a text was blocked');
    this.name = 'BlockedTextError';
  }
}

export interface ChannelOptions {
  /** Null where only markers are put back. */
  readonly rules: StreamRules | null;
  readonly markers: MarkerSource | null;
  /** The text is JSON, as a tool call's arguments are, and must stay it. */
  readonly isJson: boolean;
  /** Told what was done about each finding, in the text's order. */
  readonly onAction: (filter: string, rule: string, action: FilterAction) => void;
}

/**
 * One text of an answer as it comes: takes its pieces, gives what may go out of it, changed where a rule asks for it. What
 * comes out in all does not depend on the pieces. Only what can still become a match waits.
 */
export class TextChannel {
  private readonly view: TextView | null;
  private readonly watch: MarkerWatch | null;
  private readonly json: JsonCursor | null;
  /** The text that has not gone out, which begins at `released`. */
  private waiting = '';
  private released = 0;
  /** Up to where something is being dropped whose end was not known. */
  private droppedTo = 0;
  /** The same with what is known now of how it goes on. */
  private coveredTo = 0;
  private matches: StreamMatch[] = [];
  private markers: FoundMarker[] = [];

  constructor(private readonly options: ChannelOptions) {
    const { rules, markers, isJson } = options;
    this.view = rules && TextView.of(rules, isJson);
    this.watch = markers && new MarkerWatch(markers);
    this.json = isJson ? new JsonCursor() : null;
  }

  /** Whether anything that went out is other than it came. */
  hasRewritten = false;

  /** How many UTF-16 units wait. */
  get held(): number {
    return this.waiting.length;
  }

  /** Throws `BlockedTextError`. */
  push(piece: string): string {
    return runAtOnce(this.pushInSteps(piece));
  }

  /** The same, pausing between steps. */
  *pushInSteps(piece: string): Generator<void, string> {
    if (piece.length <= MAX_STEP_UNITS) return this.take(piece, false);
    let out = '';
    try {
      for (let from = 0; from < piece.length; from += MAX_STEP_UNITS) {
        out += this.take(piece.slice(from, from + MAX_STEP_UNITS), false);
        yield;
      }
    } catch (error) {
      throw error instanceof BlockedTextError ? new BlockedTextError(out + error.before) : error;
    }
    return out;
  }

  /** The rest, when the text is over. Throws `BlockedTextError`. */
  finish(): string {
    return this.take('', true);
  }

  private take(piece: string, isFinal: boolean): string {
    const at = this.released + this.waiting.length;
    const end = at + piece.length;
    this.waiting += piece;
    let hold = end;
    if (this.view) {
      this.view.push({ text: piece, at, map: null }, isFinal);
      hold = this.view.settle(end, isFinal, this.matches);
    }
    if (this.watch) {
      this.watch.push(piece);
      hold = Math.min(hold, this.watch.settle(isFinal, this.markers));
    }
    if (this.matches.length === 0 && this.markers.length === 0 && hold === end && this.waiting === piece) {
      this.waiting = '';
      this.released = end;
      this.json?.pass(piece);
      return piece;
    }
    return this.commit(isFinal ? end : hold, isFinal);
  }

  /** Acts upon everything that is decided, and lets the text before `hold` go. */
  private commit(hold: number, isFinal: boolean): string {
    let out = '';
    this.matches = joinDrops(this.matches.sort(byPlace));
    this.markers.sort((first, second) => first.start - second.start);
    this.coveredTo = this.droppedTo;
    for (const { drop, end } of this.matches) if (drop === 'goes on') this.coveredTo = Math.max(this.coveredTo, end);
    while (this.matches.length > 0 || this.markers.length > 0) {
      const drop = this.matches[0]?.drop ? this.matches[0] : null;
      if (drop && drop.start < (this.markers[0]?.start ?? Number.POSITIVE_INFINITY)) {
        if (drop.start >= hold && !isFinal) break;
        this.matches.shift();
        out += this.drop(drop);
        continue;
      }
      const cluster = this.takeCluster(isFinal ? Number.POSITIVE_INFINITY : hold);
      if (!cluster) break;
      out += this.apply(cluster.matches, cluster.markers, out);
    }
    // What stands before the next piece of something that is being dropped goes with it.
    const next = this.matches[0]?.drop === 'goes on' ? this.droppedTo : this.matches[0]?.start;
    const first = Math.min(next ?? hold, this.markers[0]?.start ?? hold, hold);
    return out + this.releaseTo(first);
  }

  /** The first things that overlap each other, where all of them are decided. */
  private takeCluster(hold: number): { matches: StreamMatch[]; markers: FoundMarker[] } | null {
    let matches = 0;
    let markers = 0;
    let end = -1;
    for (;;) {
      const match = this.matches[matches];
      const marker = this.markers[markers];
      const next = match && (!marker || match.start <= marker.start) ? match : marker;
      if (!next || (end !== -1 && next.start >= end) || (next === match && match.drop)) break;
      end = Math.max(end, next.end);
      if (next === match) matches++;
      else markers++;
    }
    if (end > hold) return null;
    return { matches: this.matches.splice(0, matches), markers: this.markers.splice(0, markers) };
  }

  private apply(matches: readonly StreamMatch[], markers: readonly FoundMarker[], before: string): string {
    let out = '';
    const chosen = choose(matches.filter((match) => !this.isDone(match) && !liesInMarker(match, markers)));
    const acts = [
      ...chosen.map((each) => ({ start: each.candidate.start, each, marker: null })),
      ...markers.map((marker) => ({ start: marker.start, each: null, marker })),
    ];
    acts.sort((first, second) => first.start - second.start);
    for (const { each, marker } of acts) {
      if (marker) out += this.restore(marker);
      else if (each) out += this.act(each, markers, before + out);
    }
    return out;
  }

  /** Whether it lies in text that is gone: dropped, or already dealt with in another form of the text. */
  private isDone({ start, end, action }: StreamMatch): boolean {
    const coveredTo = Math.max(this.droppedTo, this.coveredTo);
    return end <= this.released || (action !== 'block' && start < this.droppedTo && end <= coveredTo);
  }

  private act({ candidate, action }: Chosen<StreamMatch>, markers: readonly FoundMarker[], before: string): string {
    const { start, end } = candidate;
    const { filter, id } = candidate.source.rule;
    // What covers a marker takes it along: its value stays unsaid.
    const overlaps = markers.some((marker) => crosses(marker, start, end));
    const isRewrite = action !== 'block' && action !== 'flag';
    const done = isRewrite && overlaps ? 'block' : action;
    this.options.onAction(filter, id, done);
    if (done === 'block') throw new BlockedTextError(before + this.releaseTo(start));
    if (!isRewrite) return '';
    const [from, to] = this.json
      ? this.json.align(this.waiting, start - this.released, end - this.released)
      : [start - this.released, end - this.released];
    const [first, last] = [this.released + from, this.released + to];
    return this.releaseTo(first) + this.replaceTo(last, id);
  }

  private drop(match: StreamMatch): string {
    const { rule } = match.source;
    let out = '';
    if (match.drop === 'begins' && match.start >= this.released) {
      this.options.onAction(rule.filter, rule.id, match.action);
      out = this.releaseTo(match.start) + this.replaceTo(match.end, rule.id);
    } else {
      // What stands between two pieces of it is invisible, and goes with them.
      if (this.released > this.droppedTo) out = this.releaseTo(match.start);
      this.skipTo(match.end);
    }
    this.droppedTo = Math.max(this.droppedTo, match.end);
    return out;
  }

  private restore({ start, end, value }: FoundMarker): string {
    if (start < this.released) return '';
    const out = this.releaseTo(start);
    this.hasRewritten = true;
    this.skipTo(end);
    return out + (this.json ? JSON.stringify(value).slice(1, -1) : value);
  }

  private replaceTo(end: number, rule: string): string {
    const marker = markerOf(rule);
    this.hasRewritten = true;
    const written = this.json && !this.json.inString ? JSON.stringify(marker) : marker;
    this.skipTo(end);
    return written;
  }

  private releaseTo(end: number): string {
    const units = Math.max(0, end - this.released);
    const out = this.waiting.slice(0, units);
    this.skipTo(end);
    return out;
  }

  private skipTo(end: number): void {
    const units = Math.max(0, end - this.released);
    this.json?.pass(this.waiting.slice(0, units));
    this.waiting = this.waiting.slice(units);
    this.released += units;
  }
}

/** The name of a rule, or a marker's digits, can be a match themselves. */
function liesInMarker({ start, end, drop }: StreamMatch, markers: readonly FoundMarker[]): boolean {
  return drop === null && markers.some((marker) => marker.start <= start && end <= marker.end);
}

function crosses(marker: FoundMarker, start: number, end: number): boolean {
  const isCovered = start <= marker.start && marker.end <= end;
  return marker.start < end && start < marker.end && !isCovered;
}

/** What goes on being dropped is first of what begins in the same place: nothing else is done there. */
function byPlace(first: StreamMatch, second: StreamMatch): number {
  if (first.start !== second.start) return first.start - second.start;
  const goesOn = Number(second.drop === 'goes on') - Number(first.drop === 'goes on');
  return goesOn !== 0 ? goesOn : second.end - first.end;
}

/** Puts the pieces together of what is being dropped, so that what lies in it is known to. */
function joinDrops(sorted: readonly StreamMatch[]): StreamMatch[] {
  const joined: StreamMatch[] = [];
  const open = new Map<StreamMatch['source'], number>();
  for (const match of sorted) {
    const at = match.drop === 'goes on' ? open.get(match.source) : undefined;
    const begun = at === undefined ? undefined : joined[at];
    if (at !== undefined && begun) {
      joined[at] = { ...begun, end: Math.max(begun.end, match.end) };
      continue;
    }
    if (match.drop) open.set(match.source, joined.length);
    joined.push(match);
  }
  return joined;
}
