import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import type { FileJournal } from './file.journal.js';
import { type JournalEvents, type JournalLog, messageOf } from './journal-parts.js';
import type { Segment } from './segment.js';
import { readSegment, type SegmentPiece } from './segment.reader.js';

const MAX_BATCH = 500;
/** Records wait so long for company, or until there is as much; looked at now and then. */
const GATHER_MS = 1_000;
const COMPANY = 100;
const LOOK_MS = 100;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;
/** What PostgreSQL says of rows that it will never take: wrong data (22), broken rules (23), beyond its bounds (54). */
const ROWS_AT_FAULT = /^(?:2[23]|54)...$/;
/** One JSON line for each record that PostgreSQL does not take. */
export const REFUSED_FILE = 'refused.jsonl';

/** What a journal's records are, and where they go. */
export interface Shipment<Entry> {
  /** For messages: `usage`. */
  readonly contents: string;
  /** Whether an entry of the journal is one that is shipped. */
  isRecord(payload: string): boolean;
  /** Null where this version cannot read it. */
  decode(payload: string): Entry | null;
  /** How many of the records were new. Takes each once, however often it is sent. */
  insert(records: readonly Entry[]): Promise<number>;
  /** What messages call a record. */
  nameOf(record: Entry): string;
  /** A line for people: the whole record. */
  toLine(record: Entry): string;
  /** PostgreSQL will never take it; it is kept in a file. */
  refused?(record: Entry): void;
}

/**
 * Brings a journal to PostgreSQL: one batch at a time, oldest first, each until it is there. Where it stands is
 * kept in memory only: after a death the segment is sent again, and PostgreSQL takes each record once.
 */
export class JournalShipper<Entry> {
  private batchSize = MAX_BATCH;
  /** So many of the next records were sent before, and may have arrived though nobody said so. */
  private unconfirmed = 0;
  private isStopping = false;
  private wake: (() => void) | null = null;
  private loop: Promise<void> = Promise.resolve();
  private reported: string | null = null;

  constructor(
    private readonly journal: FileJournal,
    private readonly shipment: Shipment<Entry>,
    private readonly events: JournalEvents,
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
        if (!isMore) await this.gather();
      } catch (error) {
        this.report(error);
        await this.pause(retryMs * (0.5 + Math.random() / 2));
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    }
  }

  /** A batch costs as much as what is in it, and the event loop waits for none: neither many nor large ones are sent. */
  private async gather(): Promise<void> {
    const looks = GATHER_MS / LOOK_MS;
    for (let look = 0; look < looks && !this.isStopping; look++) {
      await this.pause(LOOK_MS);
      if (this.journal.depth >= COMPANY) return;
    }
  }

  /** False where nothing waits, but for what came meanwhile. Throws where the batch did not get through; the next call sends it again. */
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
    const payloads = piece.payloads.filter((payload) => this.shipment.isRecord(payload));
    const records = payloads.flatMap((payload) => this.shipment.decode(payload) ?? []);
    if (records.length < payloads.length || piece.damages.length > 0) segment.isDamaged = true;
    if (records.length > 0) await this.send(records);
    this.journal.shipped(payloads.length);
    if (piece.nextOffset === segment.shippedBytes) return false;
    segment.shippedBytes = piece.nextOffset;
    return isSealed || piece.nextOffset < end;
  }

  /** Null where the file is not there any more: nothing can be read of it again. */
  private async read(segment: Segment, end: number, isSealed: boolean): Promise<SegmentPiece | null> {
    try {
      return await readSegment(segment.path, { offset: segment.shippedBytes, end, isSealed }, this.batchSize);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.logger.warn(
        `The ${this.shipment.contents} segment ${segment.path} is gone: another process has shipped it, or somebody removed it.`,
      );
      if (!segment.isSealed) this.journal.seal();
      segment.isShipped = true;
      segment.isDamaged = false;
      await this.journal.sweep();
      return null;
    }
  }

  private async send(records: readonly Entry[]): Promise<void> {
    try {
      const fresh = await this.shipment.insert(records);
      this.events.shipped(Math.min(records.length, fresh + this.unconfirmed));
      this.unconfirmed = Math.max(0, this.unconfirmed - records.length);
      this.batchSize = Math.min(MAX_BATCH, this.batchSize * 2);
    } catch (error) {
      // A server that is slow may yet take fewer at a time.
      this.batchSize = Math.max(1, Math.floor(this.batchSize / 2));
      if (!isAboutRows(error)) {
        this.unconfirmed = Math.max(this.unconfirmed, records.length);
        throw error;
      }
      await this.sendApart(records, error);
    }
  }

  /** One bad record must not hold up the others for ever: it is found by halving, and put aside. */
  private async sendApart(records: readonly Entry[], error: unknown): Promise<void> {
    const [only, ...others] = records;
    if (only && others.length === 0) {
      const file = path.join(this.journal.directory, REFUSED_FILE);
      const { contents } = this.shipment;
      const name = this.shipment.nameOf(only);
      await appendFile(file, `${this.shipment.toLine(only)}\n`, { mode: 0o600 });
      this.events.failed();
      this.logger.error(
        `PostgreSQL refuses the ${contents} record ${name}, which is kept in ${file}: ${String(error)}`,
      );
      this.shipment.refused?.(only);
      return;
    }
    const middle = Math.ceil(records.length / 2);
    await this.send(records.slice(0, middle));
    await this.send(records.slice(middle));
  }

  private report(error: unknown): void {
    const problem = messageOf(error);
    if (this.reported === null) this.logger.warn(`Records wait in the ${this.shipment.contents} journal: ${problem}`);
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
