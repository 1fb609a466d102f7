import type { UsageBeginning, UsageJournal, UsageRecord } from '../../domain/accounting.js';
import type { GatewayObserver } from '../../domain/observer.js';
import type { EstateReader } from '../../journal/estate.js';
import { FileJournal } from '../../journal/file.journal.js';
import { type JournalEvents, type JournalLog, type JournalSettings, messageOf } from '../../journal/journal-parts.js';
import type { Segment } from '../../journal/segment.js';
import { Orphans } from './orphans.js';
import { decodeEntry, encodeBeginning, encodeRecord } from './record.codec.js';

/** Records that a full disk did not take and that are written once it does. */
const MAX_UNWRITTEN = 1_000;

/** The journal of usage: a beginning for each attempt, a record for each request. */
export class UsageFileJournal extends FileJournal implements UsageJournal {
  /** Where the requests under way were begun. */
  private readonly begun = new Map<string, Segment>();
  private readonly unwritten: UsageRecord[] = [];

  constructor(settings: JournalSettings, observer: GatewayObserver, logger: JournalLog, monotonicMs?: () => number) {
    super(settings, 'usage', usageEvents(observer), logger, monotonicMs);
  }

  begin(beginning: UsageBeginning): void {
    this.write(encodeBeginning(beginning));
    const { active } = this.writer;
    if (!active || this.begun.has(beginning.id)) return;
    active.open++;
    this.begun.set(beginning.id, active);
  }

  append(record: UsageRecord): void {
    try {
      this.add(record);
    } catch (error) {
      this.events.failed();
      // What is too large for a frame always will be: trying it again would keep all others from being written.
      if (!(error instanceof RangeError) && this.unwritten.length < MAX_UNWRITTEN) this.unwritten.push(record);
      throw error;
    }
  }

  protected examine(): EstateReader {
    const orphans = new Orphans();
    return {
      visit: (payload) => {
        const entry = decodeEntry(payload);
        if (!entry) return 'unknown';
        if (entry.kind === 'record') orphans.end(entry.record.id);
        else orphans.begin(entry.beginning);
        return entry.kind === 'record' ? 'record' : 'other';
      },
      settle: () => {
        const records = orphans.records();
        for (const record of records) {
          try {
            this.append(record);
          } catch {
            // Kept among the unwritten.
          }
        }
        return records.length === 0 ? '' : `, and ended ${records.length} requests that died with it`;
      },
    };
  }

  protected lost(): void {
    this.begun.clear();
  }

  protected recovered(): void {
    for (let record = this.unwritten[0]; record; record = this.unwritten[0]) {
      this.add(record);
      this.unwritten.shift();
    }
  }

  protected ending(): void {
    try {
      this.recovered();
    } catch (error) {
      this.logger.error(`${this.unwritten.length} usage records are lost: ${messageOf(error)}`);
      this.unwritten.length = 0;
    }
  }

  private add(record: UsageRecord): void {
    this.writeRecord(encodeRecord(record));
    const segment = this.begun.get(record.id);
    if (segment) {
      segment.open--;
      this.begun.delete(record.id);
    }
  }
}

/** What telemetry is told of the journal of usage. */
export function usageEvents(observer: GatewayObserver): JournalEvents {
  return {
    recordWritten: () => observer.usageJournalled(),
    failed: () => observer.journalFailed(),
    measured: (depth, bytes) => observer.journalMeasured(depth, bytes),
    shipped: (records) => observer.usageShipped(records),
  };
}
