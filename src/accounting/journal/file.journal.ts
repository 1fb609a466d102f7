import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { open, rename, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import type { UsageJournal, UsageRecord } from '../../domain/accounting.js';
import type { GatewayObserver } from '../../domain/observer.js';
import { MAX_FRAME_BYTES, writeFrame } from './frames.js';
import { HEARTBEAT_MS, InstanceFolder, RESERVE_FILE, SEGMENT_SUFFIX } from './instance-folder.js';
import { encodeRecord } from './record.codec.js';
import { scanSegment } from './segment.reader.js';

const MEBIBYTE = 1024 * 1024;
const MAX_SEGMENT_BYTES = 8 * MEBIBYTE;
/** Segments are what room is given back in: the smaller the journal, the smaller they are. */
const SEGMENTS_AT_LEAST = 8;
/** Given back to a full disk, it holds what is still to be said of about a thousand requests under way. */
const RESERVE_BYTES = MEBIBYTE;
const RETRY_MS = 500;
const ADOPT_EVERY_MS = 5_000;
/** Faults that pass: no room, a disk in trouble. Any other is a mistake in the set-up. */
const PASSING_FAULTS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY']);

export interface JournalSettings {
  readonly directory: string;
  readonly maxBytes: number;
  readonly syncIntervalMs: number;
}

export interface JournalLog {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** A file of records in this process's folder. */
export interface Segment {
  readonly path: string;
  /** Bytes that may be read; grows while the segment is written to. */
  bytes: number;
  /** Nothing is added any more. */
  isSealed: boolean;
  isDamaged: boolean;
}

/**
 * The journal as files: an append is one write to the newest segment. What has been written survives the process;
 * what is older than `syncIntervalMs` survives the machine. Not writable where the disk takes nothing more or
 * `maxBytes` are reached; tried again until it is.
 */
export class FileJournal implements UsageJournal {
  private readonly folder: InstanceFolder;
  private readonly frame = Buffer.allocUnsafe(MAX_FRAME_BYTES);
  private readonly segmentBytes: number;
  private readonly sealed: Segment[] = [];
  private readonly timers: NodeJS.Timeout[] = [];
  private active: Segment | null = null;
  private file = -1;
  private segmentCount = 0;
  private storedBytes = 0;
  private waitingRecords = 0;
  private failure: string | null = null;
  private isReserved = false;
  private isUnsynced = false;
  private isSyncing = false;
  private isTending = false;

  constructor(
    private readonly settings: JournalSettings,
    private readonly observer: GatewayObserver,
    private readonly logger: JournalLog,
    monotonicMs: () => number = () => performance.now(),
  ) {
    this.folder = new InstanceFolder(settings.directory, monotonicMs);
    this.segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.floor(settings.maxBytes / SEGMENTS_AT_LEAST));
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

  get directory(): string {
    return this.settings.directory;
  }

  /** Oldest first; the last one may still be written to. */
  get segments(): readonly Segment[] {
    return this.active ? [...this.sealed, this.active] : this.sealed;
  }

  /** Throws where nothing can ever be written here; a disk that is merely full is waited for. */
  async open(): Promise<void> {
    try {
      this.folder.claim();
      this.startSegment();
      await this.reserve();
    } catch (error) {
      if (!PASSING_FAULTS.has(codeOf(error))) {
        throw new Error(`The usage journal ${this.settings.directory} cannot be written: ${messageOf(error)}`);
      }
      this.fail(error);
    }
    await this.adopt();
    this.every(HEARTBEAT_MS, () => this.folder.beat());
    this.every(this.settings.syncIntervalMs, () => this.sync());
    this.every(RETRY_MS, () => void this.tend());
    this.every(ADOPT_EVERY_MS, () => void this.adopt());
  }

  append(record: UsageRecord): void {
    try {
      const bytes = writeFrame(encodeRecord(record), this.frame);
      this.write(bytes);
    } catch (error) {
      this.observer.journalFailed();
      throw error;
    }
    this.waitingRecords++;
    this.observer.usageJournalled();
  }

  /** Its records are in the ledger. */
  shipped(records: number): void {
    this.waitingRecords = Math.max(0, this.waitingRecords - records);
    this.measure();
  }

  /** All of a sealed segment is in the ledger. One that holds what cannot be read is kept beside, for people. */
  async remove(segment: Segment): Promise<void> {
    const index = this.sealed.indexOf(segment);
    if (index < 0) return;
    if (segment.isDamaged) {
      const kept = path.join(this.settings.directory, `${path.basename(segment.path)}.damaged`);
      await rename(segment.path, kept);
      this.logger.error(`Part of a usage segment cannot be read; it is kept as ${kept}`);
    } else {
      await rm(segment.path, { force: true });
    }
    this.sealed.splice(index, 1);
    this.storedBytes -= segment.bytes;
    this.measure();
  }

  /** No more is written; what is there can still be shipped and removed. */
  seal(): void {
    this.closeActive();
  }

  /** Ends the process's part. What is left waits for the next process. */
  close(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.closeActive();
    this.folder.release();
    this.failure ??= 'closed';
  }

  private write(length: number): void {
    try {
      this.writeOnce(length);
    } catch (error) {
      // A first sign that the disk is full: with the reserve given back, requests under way can still be recorded.
      const hadReserve = this.isReserved && this.releaseReserve();
      this.fail(error);
      if (!hadReserve) throw error;
      this.writeOnce(length);
    }
  }

  private writeOnce(length: number): void {
    if (!this.folder.isOurs()) this.moveOut();
    if (!this.active || this.active.bytes >= this.segmentBytes) this.startSegment();
    const { active } = this;
    if (!active) throw new Error('The usage journal has no segment to write to.');
    let written = 0;
    try {
      written = writeSync(this.file, this.frame, 0, length);
    } finally {
      if (written < length) this.cutTail(active);
    }
    if (written < length) throw Object.assign(new Error('the disk took a part of a record only'), { code: 'ENOSPC' });
    active.bytes += length;
    this.storedBytes += length;
    this.isUnsynced = true;
  }

  /** Half a record is harmless, and yet the next one should not come behind it. */
  private cutTail(active: Segment): void {
    try {
      ftruncateSync(this.file, active.bytes);
    } catch {
      active.isDamaged = false;
      this.closeActive();
    }
  }

  private startSegment(): void {
    const name = `${this.folder.name}-${String(this.segmentCount + 1).padStart(6, '0')}${SEGMENT_SUFFIX}`;
    const segmentPath = path.join(this.folder.path, name);
    const file = openSync(segmentPath, 'a', 0o640);
    this.closeActive();
    this.segmentCount++;
    this.file = file;
    this.active = { path: segmentPath, bytes: 0, isSealed: false, isDamaged: false };
    this.syncFolder();
  }

  private closeActive(): void {
    const { active, file } = this;
    if (!active) return;
    active.isSealed = true;
    this.active = null;
    this.file = -1;
    if (active.bytes === 0) rmSync(active.path, { force: true });
    else this.sealed.push(active);
    // Off the request's way; a failure is one of records that are written all the same.
    fdatasync(file, (error) => {
      if (error) this.fail(error);
      closeSync(file);
    });
  }

  /** Another process took this one for dead: what is in the old folder is that one's now. */
  private moveOut(): void {
    this.logger.warn('Another process has taken over the usage segments of this one, which was stopped for long.');
    this.closeActive();
    for (const { bytes } of this.sealed.splice(0)) this.storedBytes -= bytes;
    this.waitingRecords = 0;
    this.segmentCount = 0;
    this.isReserved = false;
    this.folder.claim();
  }

  private sync(): void {
    if (!this.isUnsynced || this.isSyncing || this.file < 0) return;
    this.isUnsynced = false;
    this.isSyncing = true;
    const { file } = this;
    fdatasync(file, (error) => {
      this.isSyncing = false;
      // A file that was closed meanwhile was synchronised as it was.
      if (error && file === this.file) this.fail(error);
    });
  }

  /** A file's name is part of its folder, which has to reach the disk, too. */
  private syncFolder(): void {
    let folder = -1;
    try {
      folder = openSync(this.folder.path, 'r');
      fsyncSync(folder);
    } catch {
      // Not every file system knows this; then it needs none.
    } finally {
      if (folder >= 0) closeSync(folder);
    }
  }

  private async tend(): Promise<void> {
    this.measure();
    if (this.failure === null || this.isTending) return;
    this.isTending = true;
    try {
      if (this.folder.path === '') this.folder.claim();
      await this.reserve();
      // Who knows what the disk made of the old one.
      this.startSegment();
      this.logger.log('The usage journal can be written again.');
      this.failure = null;
    } catch (error) {
      this.fail(error);
    } finally {
      this.isTending = false;
    }
  }

  /** Takes room for hard times, and thereby tells whether there is any. */
  private async reserve(): Promise<void> {
    const file = await open(path.join(this.folder.path, RESERVE_FILE), 'w', 0o640);
    try {
      await file.writeFile(Buffer.alloc(RESERVE_BYTES, 0xa5));
      await file.datasync();
      this.isReserved = true;
    } catch (error) {
      await file.truncate(0).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
  }

  private releaseReserve(): boolean {
    this.isReserved = false;
    try {
      rmSync(path.join(this.folder.path, RESERVE_FILE));
      return true;
    } catch {
      return false;
    }
  }

  /** Takes over what dead processes have left: cuts off what they could not finish writing, and counts the rest. */
  private async adopt(): Promise<void> {
    let paths: string[] = [];
    try {
      if (this.folder.path !== '') paths = this.folder.adopt();
    } catch (error) {
      this.logger.warn(`Segments of other processes cannot be looked for: ${messageOf(error)}`);
    }
    for (const segmentPath of paths) {
      try {
        await this.take(segmentPath);
      } catch (error) {
        this.logger.error(`The usage segment ${segmentPath} cannot be read: ${messageOf(error)}`);
      }
    }
    if (paths.length > 0) this.logger.log(`Took over ${paths.length} usage segments of processes that ended.`);
  }

  private async take(segmentPath: string): Promise<void> {
    const { records, wholeBytes, damages } = await scanSegment(segmentPath);
    const { size } = await stat(segmentPath);
    for (const { offset, bytes } of damages) {
      if (offset < wholeBytes) this.observer.journalFailed();
      const what = offset < wholeBytes ? 'cannot be read and are skipped' : 'were not written to their end: cut off';
      this.logger.warn(`${segmentPath}: ${bytes} bytes at ${offset} ${what}`);
    }
    if (size > wholeBytes) await truncate(segmentPath, wholeBytes);
    if (wholeBytes === 0) {
      await rm(segmentPath, { force: true });
      return;
    }
    const isDamaged = damages.some(({ offset }) => offset < wholeBytes);
    this.sealed.push({ path: segmentPath, bytes: wholeBytes, isSealed: true, isDamaged });
    this.storedBytes += wholeBytes;
    this.waitingRecords += records;
    this.measure();
  }

  private fail(error: unknown): void {
    const failure = messageOf(error);
    if (this.failure !== failure) this.logger.error(`Usage cannot be recorded: ${failure}`);
    this.failure = failure;
  }

  private measure(): void {
    this.observer.journalMeasured(this.waitingRecords, this.storedBytes);
  }

  private every(intervalMs: number, action: () => void): void {
    this.timers.push(setInterval(action, intervalMs).unref());
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
