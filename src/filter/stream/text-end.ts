import { beginsToken } from '../engine/boundaries.js';
import { DIGITS } from '../engine/character-set.js';
import { findLead } from './leads.js';
import type { StreamRules } from './stream-rules.js';

/** The end of a text that is still being written: what may be beginning there has to wait. */
export class TextEnd {
  private tail = '';
  private end = 0;

  constructor(private readonly rules: StreamRules) {}

  push(piece: string): void {
    const { tail: length } = this.rules;
    this.end += piece.length;
    this.tail = (piece.length >= length ? piece : this.tail + piece).slice(-length);
  }

  /** From where on the text must wait; `held` where nothing begins before. `depth` is how far anchors have been read. */
  hold(held: number, depth: number): number {
    const hold = depth > 0 ? this.holdAnchor(held, depth) : held;
    return this.rules.leads.length > 0 ? this.holdLeads(hold, depth) : hold;
  }

  /** The beginning of an anchor at the end of the text. */
  private holdAnchor(held: number, depth: number): number {
    const { tail, end } = this;
    for (let at = Math.max(0, tail.length - depth); at < tail.length; at++) {
      const place = end - tail.length + at;
      if (place >= held) return held;
      const boundaries = this.rules.boundariesOfBeginning(tail.slice(at));
      if (boundaries.some((before) => beginsToken(tail, at, before))) return place;
    }
    return held;
  }

  /** What could be the lead of a match whose anchor has not come yet. */
  private holdLeads(held: number, depth: number): number {
    const { tail, end, rules } = this;
    const offset = end - tail.length;
    let hold = held;
    const mayBeRandom = this.mayEndInRandomLead(depth);
    for (const lead of rules.leads) {
      if (lead.source.hasRandomLead && !mayBeRandom) continue;
      const at = findLead(lead, tail);
      if (at !== -1 && offset + at < hold) hold = offset + at;
    }
    return hold;
  }

  /** False for nearly every word: a random lead holds a digit, or its anchor has begun. */
  private mayEndInRandomLead(depth: number): boolean {
    const { tail, rules } = this;
    for (let at = Math.max(0, tail.length - depth); at < tail.length; at++) {
      if (rules.randomBeginnings.has(tail.slice(at))) return true;
    }
    for (let at = tail.length - 1; at >= 0; at--) {
      const code = tail.charCodeAt(at);
      if (DIGITS.has(code)) return true;
      if (!rules.randomAlphabet.has(code)) return false;
    }
    return false;
  }
}
