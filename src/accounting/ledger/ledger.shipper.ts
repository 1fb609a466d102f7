import type { UsageRecord } from '../../domain/accounting.js';
import type { GatewayObserver } from '../../domain/observer.js';
import { JournalShipper } from '../../journal/journal.shipper.js';
import type { JournalLog } from '../../journal/journal-parts.js';
import { decodeEntry, encodeRecord, isRecord } from '../journal/record.codec.js';
import { type UsageFileJournal, usageEvents } from '../journal/usage.journal.js';

/** Where batches go. */
export interface LedgerStore {
  readonly isAvailable: boolean;
  /** How many of the records were new. */
  insert(records: readonly UsageRecord[]): Promise<number>;
}

/** Brings the journal of usage to the ledger. */
export class LedgerShipper extends JournalShipper<UsageRecord> {
  constructor(journal: UsageFileJournal, ledger: LedgerStore, observer: GatewayObserver, logger: JournalLog) {
    const shipment = {
      contents: 'usage',
      isRecord,
      decode: (payload: string) => {
        const entry = decodeEntry(payload);
        return entry?.kind === 'record' ? entry.record : null;
      },
      insert: (records: readonly UsageRecord[]) => ledger.insert(records),
      nameOf: ({ id }: UsageRecord) => id,
      toLine: (record: UsageRecord) => encodeRecord(record).slice(1),
    };
    super(journal, shipment, usageEvents(observer), logger);
  }
}
