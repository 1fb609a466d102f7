import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import type { UsageRecord } from '../../domain/accounting.js';
import type { GatewayObserver } from '../../domain/observer.js';
import type { FileJournal, JournalLog, Segment } from '../journal/file.journal.js';
import { decodeRecord, encodeRecord } from '../journal/record.codec.js';
import { readSegment, type SegmentPiece } from '../journal/segment.reader.js';

const MAX_BATCH = 500;
/** Records wait so long for company. */
const GATHER_MS = 1_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;
/** What PostgreSQL says of rows that it will never take: wrong data (22), broken rules (23). */
const ROWS_AT_FAULT = /^2[23]...$/;
/** One JSON line for each record that PostgreSQL does not take. */
export const REFUSED_FILE = 'refused.jsonl';

/** Where batches go. */
export interface LedgerStore {
  readonly isAvailable: boolean;
  /** How many of the records were new. */
  insert(records: readonly UsageRecord[]): Promise<number>;
}

/**
 * Brings the journal to the ledger: one batch at a time, oldest first, each until it is there. Where it stands is
 * kept in memory only: after a death the segment is sent again, and the ledger takes each record once.
 */
export class LedgerShipper {
  private offset = 0;
  private segment: Segment | null = null;
  private batchSize = MAX_BATCH;
  private isStopping = false;
  private wake: (() => void) | null = null;
  private loop: Promise<void> = Promise.resolve();
  private reported: string | null = null;

  constructor(
    private readonly journal: FileJournal,
    private readonly ledger: LedgerStore,
    private readonly observer: GatewayObserver,
    private readonly logger: JournalLog,
  ) {}

  start(): void {
    this.loop = this.run();
  }

  /** Why records wait; null where they do not. */
  get problem(): string | null {
    return this.reported;
  }

  /** Sends what is left for at most `graceMs`, then ends. What could not be sent waits in the journal. */
  async stop(graceMs: number): Promise<void> {
    this.isStopping = true;
    this.wake?.();
    await this.loop;
    this.journal.seal();
    const deadline = performance.now() + graceMs;
    try {
      while (performance.now() < deadline && (await this.shipOne()));
    } catch (error) {
      this.report(error);
    }
  }

  private async run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!this.isStopping) {
      try {
        const isMore = await this.shipOne();
        retryMs = FIRST_RETRY_MS;
        this.reported = null;
        if (!isMore) await this.pause(GATHER_MS);
      } catch (error) {
        this.report(error);
        await this.pause(retryMs * (0.5 + Math.random() / 2));
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    }
  }

  /** False where nothing waits. Throws where the batch did not get through; the next call sends it again. */
  private async shipOne(): Promise<boolean> {
    const segment = this.journal.segments[0];
    if (!segment) return false;
    if (segment !== this.segment) {
      this.segment = segment;
      this.offset = 0;
    }
    // Looked at before reading: what is added meanwhile is for the next time.
    const { bytes: end, isSealed } = segment;
    if (this.offset >= end) {
      if (!isSealed) {
        this.journal.shipped(this.journal.depth);
        return false;
      }
      await this.journal.remove(segment);
      return true;
    }
    const piece = await this.read(segment, end, isSealed);
    if (!piece) return true;
    const records = piece.payloads.map(decodeRecord).filter((record) => record !== null);
    if (records.length < piece.payloads.length || piece.damages.length > 0) segment.isDamaged = true;
    if (records.length > 0) await this.send(records);
    this.journal.shipped(piece.payloads.length);
    if (piece.nextOffset === this.offset) return false;
    this.offset = piece.nextOffset;
    return true;
  }

  /** Null where somebody has taken the file away: nothing can be read of it any more. */
  private async read(segment: Segment, end: number, isSealed: boolean): Promise<SegmentPiece | null> {
    try {
      return await readSegment(segment.path, { offset: this.offset, end, isSealed }, this.batchSize);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // Not so where another process took it over: then it is no longer among the journal's.
      if (!this.journal.segments.includes(segment)) return null;
      this.observer.journalFailed();
      this.logger.error(`The usage segment ${segment.path} is gone, and with it what was not in the ledger yet.`);
      if (!segment.isSealed) this.journal.seal();
      await this.journal.remove(segment);
      return null;
    }
  }

  private async send(records: readonly UsageRecord[]): Promise<void> {
    try {
      this.observer.usageShipped(await this.ledger.insert(records));
      this.batchSize = Math.min(MAX_BATCH, this.batchSize * 2);
    } catch (error) {
      // A server that is slow may yet take fewer at a time.
      this.batchSize = Math.max(1, Math.floor(this.batchSize / 2));
      if (!isAboutRows(error)) throw error;
      await this.sendApart(records, error);
    }
  }

  /** One bad record must not hold up the others for ever: it is found by halving, and put aside. */
  private async sendApart(records: readonly UsageRecord[], error: unknown): Promise<void> {
    const [only, ...others] = records;
    if (only && others.length === 0) {
      const file = path.join(this.journal.directory, REFUSED_FILE);
      await appendFile(file, `${encodeRecord(only)}\n`, { mode: 0o640 });
      this.observer.journalFailed();
      this.logger.error(`PostgreSQL refuses the usage record ${only.id}, which is kept in ${file}: ${String(error)}`);
      return;
    }
    const middle = Math.ceil(records.length / 2);
    await this.send(records.slice(0, middle));
    await this.send(records.slice(middle));
  }

  private report(error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error);
    if (this.reported === null) this.logger.warn(`Usage waits in the journal: ${problem}`);
    this.reported = problem;
  }

  private pause(durationMs: number): Promise<void> {
    if (this.isStopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, durationMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function isAboutRows(error: unknown): boolean {
  const inner = (error as { driverError?: unknown }).driverError ?? error;
  const code = (inner as { code?: unknown }).code;
  return typeof code === 'string' && ROWS_AT_FAULT.test(code);
}
