import { parseRecord, sealOf } from './audit-record.js';
import type { Unsealed } from './seal.js';

interface Tail {
  readonly hashes: string[];
  first: number;
  last: number;
  lastHash: string;
  isClosed: boolean;
}

/** What dead writers left unsealed. Fed with a journal from its beginning on; holds what no seal covers. */
export class ChainTails {
  private readonly tails = new Map<string, Tail>();

  /** False where the text is no record. */
  add(line: string): boolean {
    const stored = parseRecord(line);
    if (!stored) return false;
    const { record, hash } = stored;
    const tail = this.tails.get(record.writer) ?? {
      hashes: [],
      first: record.seq,
      last: 0,
      lastHash: '',
      isClosed: false,
    };
    this.tails.set(record.writer, tail);
    // A folder that two have read stands twice.
    if (record.seq <= tail.last) return true;
    tail.last = record.seq;
    tail.lastHash = hash;
    tail.isClosed = record.type === 'chain.closed' && record.reason === 'shutdown';
    if (sealOf(record)?.of === record.writer) {
      tail.hashes.length = 0;
      tail.first = record.seq + 1;
    } else {
      tail.hashes.push(hash);
    }
    return true;
  }

  /** Of each writer that did not close its chain itself. */
  list(): Unsealed[] {
    return [...this.tails]
      .filter(([, { isClosed }]) => !isClosed)
      .map(([of, { first, last, lastHash, hashes }]) => ({ of, first, last, lastHash, hashes }));
  }
}
