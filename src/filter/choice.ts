import { CLASSIFICATIONS } from '../domain/classification.js';
import type { FilterAction } from '../domain/finding.js';

/** A match whose action is known. Indexes of one text, or of one stream from its beginning. */
export interface Candidate {
  /** The rule's id: settles what nothing else does, so that the order of the candidates never matters. */
  readonly rule: string;
  /** What is acted upon. */
  readonly start: number;
  readonly end: number;
  /** The whole match, with the names and quotes it takes in. */
  readonly wholeStart: number;
  readonly wholeEnd: number;
  readonly action: FilterAction;
}

export interface Chosen<T> {
  readonly candidate: T;
  /** The candidate's own; `block` where two rewrites collide. */
  readonly action: FilterAction;
}

/** Of all candidates that act upon the same, the one that stands for them; it covers what any as strong of them does. */
interface Standing<T> {
  readonly candidate: T;
  readonly strength: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Which of several matches count. One that lies in another, and shares a part of what that acts upon, is dropped where
 * the other's action is at least as strong: a flag never hides a block. Of several that act upon the same, the one whose
 * match takes in least around it names it. Two rewrites that still overlap cannot both be made: both become `block`.
 * Only candidates that overlap in what is acted upon influence each other. Sorted by place.
 */
export function choose<T extends Candidate>(candidates: readonly T[]): Chosen<T>[] {
  if (candidates.length < 2) return candidates.map((candidate) => ({ candidate, action: candidate.action }));
  const standing = standIn(candidates);
  const overlaps = findOverlaps(standing);
  const kept = new Set<Standing<T>>();
  for (const under of standing.toSorted(strongestFirst)) {
    const hidden = overlaps.get(under)?.some((over) => kept.has(over) && covers(over, under)) ?? false;
    if (!hidden) kept.add(under);
  }
  const collides = (one: Standing<T>): boolean =>
    isRewrite(one) && (overlaps.get(one)?.some((other) => kept.has(other) && isRewrite(other)) ?? false);
  return standing
    .filter((one) => kept.has(one))
    .map((one) => ({ candidate: one.candidate, action: collides(one) ? 'block' : one.candidate.action }));
}

/** How much an action does about what was found; between two that raise, how high. */
export function strengthOf(action: FilterAction): number {
  if (typeof action === 'object') return 1 + CLASSIFICATIONS.indexOf(action.raiseTo);
  switch (action) {
    case 'flag':
      return 0;
    case 'pseudonymize':
      return 1 + CLASSIFICATIONS.length;
    case 'redact':
      return 2 + CLASSIFICATIONS.length;
    case 'block':
      return 3 + CLASSIFICATIONS.length;
    default:
      return action satisfies never;
  }
}

/** One for each place that is acted upon, in their order. */
function standIn<T extends Candidate>(candidates: readonly T[]): Standing<T>[] {
  const standing: Standing<T>[] = [];
  for (const candidate of candidates.toSorted(byPlace)) {
    const last = standing.at(-1);
    const strength = strengthOf(candidate.action);
    const { start, end, wholeStart, wholeEnd } = candidate;
    if (last?.candidate.start !== start || last.candidate.end !== end) {
      standing.push({ candidate, strength, from: wholeStart, to: wholeEnd });
    } else if (strength === last.strength) {
      const [from, to] = [Math.min(last.from, wholeStart), Math.max(last.to, wholeEnd)];
      standing[standing.length - 1] = { ...last, from, to };
    }
  }
  return standing;
}

/** Of those at the same place the strongest is first, then the one that takes in least. */
function byPlace(first: Candidate, second: Candidate): number {
  return (
    first.start - second.start ||
    first.end - second.end ||
    strengthOf(second.action) - strengthOf(first.action) ||
    first.wholeEnd - first.wholeStart - (second.wholeEnd - second.wholeStart) ||
    first.wholeStart - second.wholeStart ||
    (first.rule < second.rule ? -1 : 1)
  );
}

function strongestFirst(first: Standing<Candidate>, second: Standing<Candidate>): number {
  return second.strength - first.strength || second.to - second.from - (first.to - first.from);
}

function covers<T>(over: Standing<T>, under: Standing<T & Candidate>): boolean {
  return over.from <= under.candidate.start && under.candidate.end <= over.to;
}

function isRewrite({ candidate }: Standing<Candidate>): boolean {
  return candidate.action === 'redact' || candidate.action === 'pseudonymize';
}

/** For each, all others that act upon a part of the same. `standing` is sorted by start. */
function findOverlaps<T extends Candidate>(
  standing: readonly Standing<T>[],
): ReadonlyMap<Standing<T>, readonly Standing<T>[]> {
  const overlaps = new Map<Standing<T>, Standing<T>[]>();
  let open: Standing<T>[] = [];
  for (const one of standing) {
    open = open.filter(({ candidate }) => candidate.end > one.candidate.start);
    for (const other of open) {
      addTo(overlaps, one, other);
      addTo(overlaps, other, one);
    }
    open.push(one);
  }
  return overlaps;
}

function addTo<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
