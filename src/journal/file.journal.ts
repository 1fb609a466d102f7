import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { DiskReserve } from './disk-reserve.js';
import { type EstateReader, readEstate } from './estate.js';
import { MAX_FRAME_BYTES, writeFrame } from './frames.js';
import { HEARTBEAT_MS, InstanceFolder, listSegments } from './instance-folder.js';
import {
  isPassing,
  type JournalEvents,
  type JournalLog,
  type JournalSettings,
  messageOf,
  segmentBytesFor,
} from './journal-parts.js';
import type { Segment } from './segment.js';
import { SegmentWriter } from './segment.writer.js';

const RETRY_MS = 500;
const ADOPT_EVERY_MS = 5_000;

/**
 * A journal as files: an append is one write to the newest segment. What has been written survives the process;
 * what is older than `syncIntervalMs` survives the machine. Not writable where the disk takes nothing more or
 * `maxBytes` are reached; tried again until it is. What its entries are is for those who extend it to say.
 */
export abstract class FileJournal {
  private readonly folder: InstanceFolder;
  private readonly frame = Buffer.allocUnsafe(MAX_FRAME_BYTES);
  protected readonly writer: SegmentWriter;
  private readonly sealed: Segment[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private storedBytes = 0;
  private waitingRecords = 0;
  private failure: string | null = null;
  private readonly reserve = new DiskReserve();
  /** Folders of the dead that were not taken over to the end: a full disk can get in between. */
  private readonly adopted = new Set<string>();
  private isTending = false;
  private isAdopting = false;
  private isSweeping = false;

  constructor(
    private readonly settings: JournalSettings,
    /** What its entries are, for messages: `usage`. */
    private readonly contents: string,
    protected readonly events: JournalEvents,
    protected readonly logger: JournalLog,
    monotonicMs: () => number = () => performance.now(),
  ) {
    this.folder = new InstanceFolder(settings.directory, monotonicMs);
    this.writer = new SegmentWriter(this.folder, segmentBytesFor(settings.maxBytes), {
      sealed: (segment) => this.sealed.push(segment),
      failed: (error) => this.fail(error),
    });
  }

  get isWritable(): boolean {
    return this.failure === null && this.storedBytes < this.settings.maxBytes;
  }

  /** Why nothing can be written; null where it can. */
  get problem(): string | null {
    if (this.failure !== null) return this.failure;
    return this.isWritable ? null : `it holds ${this.storedBytes} bytes that PostgreSQL has not got yet`;
  }

  /** Records that are not in the ledger yet. */
  get depth(): number {
    return this.waitingRecords;
  }

  /** Its size on disk. */
  get bytes(): number {
    return this.storedBytes;
  }

  /** This process's own part of it. */
  get folderPath(): string {
    return this.folder.path;
  }

  get directory(): string {
    return this.settings.directory;
  }

  /** The oldest of which not all is in the ledger; the last one may still be written to. */
  get next(): Segment | null {
    return this.sealed.find(({ isShipped }) => !isShipped) ?? this.writer.active;
  }

  /** Throws where nothing can ever be written here; a disk that is merely full is waited for. */
  async open(): Promise<void> {
    try {
      this.folder.claim();
      this.writer.start();
      await this.reserve.take(this.folder.path);
    } catch (error) {
      if (!isPassing(error)) {
        throw new Error(
          `The ${this.contents} journal ${this.settings.directory} cannot be written: ${messageOf(error)}. ` +
            'Set accounting.journal_dir to a folder on a disk that this process may write and that outlives it.',
        );
      }
      this.fail(error);
    }
    await this.adopt();
    this.every(HEARTBEAT_MS, () => this.folder.beat());
    this.every(this.settings.syncIntervalMs, () => this.writer.sync());
    this.every(RETRY_MS, () => void this.tend());
    this.every(ADOPT_EVERY_MS, () => void this.adopt());
  }

  /** What reads the folder of a process that died. */
  protected abstract examine(): EstateReader;

  /** Another process has this one's folder now, and all that was written there. */
  protected abstract lost(): void;

  /** The disk takes entries again. Throws where it does not after all. */
  protected abstract recovered(): void;

  /** The last chance of what the disk did not take before. Never throws. */
  protected abstract ending(): void;

  /** Its records are in the ledger. */
  shipped(records: number): void {
    this.waitingRecords = Math.max(0, this.waitingRecords - records);
    this.measure();
  }

  /**
   * Removes what is in the ledger, oldest first: an end must never be gone before the beginning it belongs to. A
   * segment that holds what cannot be read is kept beside, for people.
   */
  async sweep(): Promise<void> {
    if (this.isSweeping) return;
    this.isSweeping = true;
    try {
      for (let segment = this.sealed[0]; segment?.isShipped && segment.open === 0; segment = this.sealed[0]) {
        await this.remove(segment);
        // Others may have come in front of it meanwhile, or all have been given up.
        const index = this.sealed.indexOf(segment);
        if (index < 0) break;
        this.sealed.splice(index, 1);
        this.storedBytes -= segment.bytes;
      }
    } finally {
      this.isSweeping = false;
    }
    this.measure();
  }

  /** No more is written; what is there can still be shipped and removed. */
  seal(): void {
    this.writer.seal();
  }

  /**
   * Ends the process's part. What is left waits for the next process. A record that comes later still is written, to a
   * folder of its own.
   */
  close(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.ending();
    this.writer.seal();
    this.folder.release();
    this.failure ??= 'closed';
  }

  private async remove(segment: Segment): Promise<void> {
    if (segment.isDamaged) {
      const kept = path.join(this.settings.directory, `${path.basename(segment.path)}.damaged`);
      await rename(segment.path, kept);
      this.logger.error(`Part of a segment of the ${this.contents} journal cannot be read; it is kept as ${kept}`);
    } else {
      await rm(segment.path, { force: true });
    }
    const folder = path.dirname(segment.path);
    if (folder !== this.folder.path && listSegments(folder).length === 0) this.folder.discard(folder);
  }

  /** Writes an entry that is shipped. Throws the system's error, or `RangeError` where it is too large. */
  protected writeRecord(payload: string): void {
    this.write(payload);
    this.waitingRecords++;
    this.events.recordWritten();
  }

  /** Writes an entry; as `writeRecord`. */
  protected write(payload: string): void {
    const length = writeFrame(payload, this.frame);
    try {
      this.writeOnce(length);
    } catch (error) {
      // A first sign that the disk is full: with the reserve given back, requests under way can still be recorded.
      const hadReserve = this.reserve.release();
      this.fail(error);
      if (!hadReserve) throw error;
      this.writeOnce(length);
    }
  }

  private writeOnce(length: number): void {
    if (this.folder.path === '') this.folder.claim();
    else if (!this.folder.isOurs()) this.moveOut();
    this.writer.write(this.frame, length);
    this.storedBytes += length;
  }

  /** Another process took this one for dead: what is in the old folder is that one's now. */
  private moveOut(): void {
    this.logger.warn(
      `Another process has taken over the ${this.contents} segments of this one, which was stopped for long.`,
    );
    this.writer.seal();
    this.sealed.length = 0;
    this.lost();
    this.storedBytes = 0;
    this.waitingRecords = 0;
    this.folder.claim();
  }

  private async tend(): Promise<void> {
    if (this.failure === null) await this.sweep().catch((error: unknown) => this.logger.warn(messageOf(error)));
    if (this.failure === null || this.isTending) return;
    this.isTending = true;
    try {
      if (this.folder.path === '') this.folder.claim();
      await this.reserve.take(this.folder.path);
      // Who knows what the disk made of the old one.
      this.writer.start();
      this.recovered();
      this.logger.log(`The ${this.contents} journal can be written again.`);
      this.failure = null;
    } catch (error) {
      this.fail(error);
    } finally {
      this.isTending = false;
    }
  }

  /** Takes over what dead processes have left. */
  private async adopt(): Promise<void> {
    if (this.folder.path === '' || this.isAdopting) return;
    this.isAdopting = true;
    try {
      for (const folder of this.folder.adopt()) this.adopted.add(folder);
      for (const folder of this.adopted) {
        await this.takeOver(folder);
        this.adopted.delete(folder);
      }
    } catch (error) {
      this.logger.warn(`What other processes have left cannot be taken over: ${messageOf(error)}`);
    } finally {
      this.isAdopting = false;
    }
  }

  private async takeOver(folder: string): Promise<void> {
    const reader = this.examine();
    const { segments, records, problems } = await readEstate(folder, reader);
    for (const problem of problems) {
      this.events.failed();
      this.logger.warn(problem);
    }
    const settled = reader.settle();
    for (const { bytes } of segments) this.storedBytes += bytes;
    this.waitingRecords += records;
    // First of all: a request that ended is known by its end, even where its process was taken for dead too early.
    this.sealed.unshift(...segments);
    if (segments.length === 0) this.folder.discard(folder);
    this.logger.log(`Took over ${segments.length} ${this.contents} segments of another process${settled}.`);
  }

  private fail(error: unknown): void {
    const failure = messageOf(error);
    if (this.failure !== failure) this.logger.error(`The ${this.contents} journal cannot be written: ${failure}`);
    this.failure = failure;
  }

  private measure(): void {
    this.events.measured(this.waitingRecords, this.storedBytes);
  }

  private every(intervalMs: number, action: () => void): void {
    this.timers.push(setInterval(action, intervalMs).unref());
  }
}
