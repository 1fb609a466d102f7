import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import type { UsageRecord } from '../../domain/accounting.js';
import type { GatewayObserver } from '../../domain/observer.js';
import type { FileJournal } from '../journal/file.journal.js';
import type { JournalLog } from '../journal/journal-parts.js';
import { decodeEntry, encodeRecord, isRecord } from '../journal/record.codec.js';
import type { Segment } from '../journal/segment.js';
import { readSegment, type SegmentPiece } from '../journal/segment.reader.js';

const MAX_BATCH = 500;
/** Records wait so long for company. */
const GATHER_MS = 1_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;
/** What PostgreSQL says of rows that it will never take: wrong data (22), broken rules (23), beyond its bounds (54). */
const ROWS_AT_FAULT = /^(?:2[23]|54)...$/;
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
    const segment = this.journal.next;
    if (!segment) return false;
    // Looked at before reading: what is added meanwhile is for the next time.
    const { bytes: end, isSealed } = segment;
    if (segment.shippedBytes >= end) {
      if (!isSealed) {
        this.journal.shipped(this.journal.depth);
        return false;
      }
      segment.isShipped = true;
      await this.journal.sweep();
      return true;
    }
    const piece = await this.read(segment, end, isSealed);
    if (!piece) return true;
    const payloads = piece.payloads.filter(isRecord);
    const records = payloads.flatMap((payload) => {
      const entry = decodeEntry(payload);
      return entry?.kind === 'record' ? [entry.record] : [];
    });
    if (records.length < payloads.length || piece.damages.length > 0) segment.isDamaged = true;
    if (records.length > 0) await this.send(records);
    this.journal.shipped(payloads.length);
    if (piece.nextOffset === segment.shippedBytes) return false;
    segment.shippedBytes = piece.nextOffset;
    return true;
  }

  /** Null where the file is not there any more: nothing can be read of it again. */
  private async read(segment: Segment, end: number, isSealed: boolean): Promise<SegmentPiece | null> {
    try {
      return await readSegment(segment.path, { offset: segment.shippedBytes, end, isSealed }, this.batchSize);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.logger.warn(
        `The usage segment ${segment.path} is gone: another process has shipped it, or somebody removed it.`,
      );
      if (!segment.isSealed) this.journal.seal();
      segment.isShipped = true;
      segment.isDamaged = false;
      await this.journal.sweep();
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
      await appendFile(file, `${encodeRecord(only).slice(1)}\n`, { mode: 0o600 });
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
