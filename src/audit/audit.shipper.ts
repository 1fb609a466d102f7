import { JournalShipper, type Shipment } from '../journal/journal.shipper.js';
import type { JournalLog } from '../journal/journal-parts.js';
import type { AuditJournal } from './audit.journal.js';
import type { AuditStore } from './audit.store.js';
import type { AuditLog } from './audit-log.js';
import { type ChainGap, parseRecord, type StoredRecord } from './audit-record.js';

/** The last record of a writer that was read. */
interface Seen {
  readonly seq: number;
  readonly hash: string;
}

/** Brings the audit's journal to PostgreSQL, and has the chain tell of what does not get there. */
export class AuditShipper extends JournalShipper<StoredRecord> {
  constructor(journal: AuditJournal, store: Pick<AuditStore, 'insert'>, log: AuditLog, logger: JournalLog) {
    const events = {
      recordWritten: () => undefined,
      failed: () => void journal.counts.failures++,
      measured: () => undefined,
      shipped: () => undefined,
    };
    super(journal, shipmentOf(store, log), events, logger);
  }
}

function shipmentOf(store: Pick<AuditStore, 'insert'>, log: AuditLog): Shipment<StoredRecord> {
  const seen = new Map<string, Seen>();
  const tell = (gap: ChainGap): void => {
    try {
      log.record(gap);
    } catch {
      // Counted as lost, which the chain tells of once it can.
    }
  };
  return {
    contents: 'audit',
    isRecord: () => true,
    decode: parseRecord,
    insert: async (records) => {
      const fresh = await store.insert(records);
      for (const gap of findGaps(records, seen)) tell(gap);
      return fresh;
    },
    nameOf: ({ record }) => `${record.writer}:${record.seq}`,
    toLine: ({ line }) => line,
    refused: ({ record: { writer, seq, prev }, hash }) => {
      seen.set(writer, { seq, hash });
      tell({ type: 'chain.gap', reason: 'refused', of: writer, first: seq, last: seq, chained_to: prev });
    },
  };
}

/** Numbers that are missing where a journal was read from one record to the next: what lay between was damaged. */
function findGaps(records: readonly StoredRecord[], seen: Map<string, Seen>): ChainGap[] {
  const gaps: ChainGap[] = [];
  for (const { record, hash } of records) {
    const last = seen.get(record.writer);
    if (last && record.seq > last.seq + 1) {
      const between = { of: record.writer, first: last.seq + 1, last: record.seq - 1 };
      gaps.push({ type: 'chain.gap', reason: 'damaged', ...between, chained_to: last.hash });
    }
    if (!last || record.seq > last.seq) seen.set(record.writer, { seq: record.seq, hash });
  }
  return gaps;
}
