import type { AuditStore, ChainExtent, ChainRange } from '../audit.store.js';

/** From, not including to; null: no bound. */
export interface AuditPeriod {
  readonly from: Date | null;
  readonly to: Date | null;
}

export function isWhole({ from, to }: AuditPeriod): boolean {
  return from === null && to === null;
}

/**
 * What a period takes of each chain: whole runs from one seal to the next, so that all of it can be verified by itself;
 * and of other chains the runs that tell of these, whenever that was.
 */
export async function selectSealed(store: AuditStore, period: AuditPeriod): Promise<ChainRange[]> {
  const chains = await store.listChains();
  const ranges = new Map<string, ChainRange>();
  for (const chain of chains) {
    const range = await selectRange(store, chain, period);
    if (range) ranges.set(chain.writer, range);
  }
  if (!isWhole(period)) await addStatements(store, ranges);
  return chains.flatMap(({ writer }) => ranges.get(writer) ?? []);
}

async function selectRange(
  store: AuditStore,
  { writer, first, beganAt, sealedTo }: ChainExtent,
  { from, to }: AuditPeriod,
): Promise<ChainRange | null> {
  if (to && beganAt >= to) return null;
  const before = from ? await store.findSealedTo(writer, from) : 0;
  const after = to ? await store.findFirstSealAfter(writer, to) : 0;
  const range = { writer, first: Math.max(first, before + 1), last: after === 0 ? sealedTo : after };
  return range.first <= range.last ? range : null;
}

async function addStatements(store: AuditStore, ranges: Map<string, ChainRange>): Promise<void> {
  const waiting = [...ranges.keys()];
  for (let about = waiting.pop(); about !== undefined; about = waiting.pop()) {
    for (const { writer, seq } of await store.findStatements(about)) {
      const known = ranges.get(writer);
      if (known && known.first <= seq && seq <= known.last) continue;
      const { before, after } = await store.findSealsAround(writer, seq);
      if (after === 0) continue;
      const first = Math.min(known?.first ?? before + 1, before + 1);
      ranges.set(writer, { writer, first, last: Math.max(known?.last ?? after, after) });
      if (!known) waiting.push(writer);
    }
  }
}

const PAGE = 2_000;

/** A range's records in order, a page at a time. */
export async function* readRange(store: AuditStore, range: ChainRange): AsyncGenerator<readonly string[]> {
  for (let first = range.first; first <= range.last; ) {
    const lines = await store.read({ ...range, first }, PAGE);
    if (lines.length < PAGE) {
      if (lines.length > 0) yield lines;
      return;
    }
    // Several records may claim the last number: it is left to the next page, with all of them.
    const last = seqOf(lines.at(-1) ?? '');
    const whole = lines.filter((line) => seqOf(line) < last);
    yield whole.length > 0 ? whole : lines;
    first = whole.length > 0 ? last : last + 1;
  }
}

function seqOf(line: string): number {
  return Number(/"seq":(\d+)/.exec(line)?.[1] ?? 0);
}
