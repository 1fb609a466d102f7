import { beginsToken } from '../engine/boundaries.js';
import { CharacterSet, DIGITS } from '../engine/character-set.js';
import type { StreamRule } from './stream-rule.js';

/** A rule whose matches begin before their anchor. */
export interface Lead {
  readonly source: StreamRule;
  /** A lead and a part of the anchor are at most so long. */
  readonly reach: number;
  /** What the rule's anchors begin with; in lower case where case does not matter. */
  readonly beginnings: ReadonlySet<string>;
  readonly longestBeginning: number;
  /** What one of the beginnings ends with. */
  readonly beginningEnds: CharacterSet;
}

export function leadOf(source: StreamRule): Lead {
  const { anchors, ignoreCase, lead } = source.rule;
  const beginnings = new Set<string>();
  for (const anchor of anchors) {
    const text = ignoreCase ? anchor.toLowerCase() : anchor;
    for (let length = 1; length < text.length; length++) beginnings.add(text.slice(0, length));
  }
  const longest = Math.max(0, ...anchors.map((anchor) => anchor.length));
  const ends = CharacterSet.of([...beginnings].map((beginning) => beginning.slice(-1)).join(''));
  return {
    source,
    reach: lead + longest,
    beginnings,
    longestBeginning: longest - 1,
    beginningEnds: ignoreCase ? ends.ignoringCase() : ends,
  };
}

/** Where what could be the lead of a match begins that reaches the end of `text`; -1 where there is none. */
export function findLead(lead: Lead, text: string): number {
  const { source, reach } = lead;
  const { rule, alphabet, partial, hasRandomLead } = source;
  let at = text.length;
  while (at > 0 && text.length - at < reach && alphabet.has(text.charCodeAt(at - 1))) at--;
  // Found first: it rules out nearly every word.
  const from = hasRandomLead ? Math.min(firstDigit(text, at, text.length), findBeginning(lead, text, at)) : at;
  if (from === text.length) return -1;
  for (; at < text.length; at++) {
    if (!rule.head.has(text.charCodeAt(at)) || !beginsToken(text, at, rule.before)) continue;
    if (!partial.isViable(text, at)) continue;
    return Math.max(at, from);
  }
  return -1;
}

export function firstDigit(text: string, from: number, to: number): number {
  for (let index = from; index < to; index++) if (DIGITS.has(text.charCodeAt(index))) return index;
  return to;
}

/** Where the beginning of an anchor begins that reaches the end of the text; its end where there is none. */
function findBeginning(
  { source, beginnings, longestBeginning, beginningEnds }: Lead,
  text: string,
  from: number,
): number {
  if (!beginningEnds.has(text.charCodeAt(text.length - 1))) return text.length;
  for (let at = Math.max(from, text.length - longestBeginning); at < text.length; at++) {
    const rest = text.slice(at);
    if (beginnings.has(source.rule.ignoreCase ? rest.toLowerCase() : rest)) return at;
  }
  return text.length;
}
