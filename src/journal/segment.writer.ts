import { closeSync, fdatasync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { type InstanceFolder, SEGMENT_SUFFIX } from './instance-folder.js';
import { syncFolder } from './journal-parts.js';
import type { Segment } from './segment.js';

interface SegmentEvents {
  /** Nothing is added to it any more. An empty one is gone instead. */
  sealed(segment: Segment): void;
  /** The disk did not keep what it had taken. */
  failed(error: unknown): void;
}

/** The one file that is written to: the newest segment. A full one is followed by the next. */
export class SegmentWriter {
  private current: Segment | null = null;
  private file = -1;
  private segmentCount = 0;
  private isUnsynced = false;
  private isSyncing = false;

  constructor(
    private readonly folder: InstanceFolder,
    private readonly segmentBytes: number,
    private readonly events: SegmentEvents,
  ) {}

  /** Null where none is open. */
  get active(): Segment | null {
    return this.current;
  }

  /** One write to the operating system. Throws the system's error, and then leaves nothing half written. */
  write(frame: Buffer, length: number): void {
    const active = this.current && this.current.bytes < this.segmentBytes ? this.current : this.start();
    let written = 0;
    try {
      written = writeSync(this.file, frame, 0, length);
    } finally {
      if (written < length) this.cutTail(active);
    }
    if (written < length) throw Object.assign(new Error('the disk took a part of a record only'), { code: 'ENOSPC' });
    active.bytes += length;
    this.isUnsynced = true;
  }

  /** Begins a new segment; the one before is sealed. Throws the system's error. */
  start(): Segment {
    const name = `${this.folder.name}-${String(this.segmentCount + 1).padStart(6, '0')}${SEGMENT_SUFFIX}`;
    const segmentPath = path.join(this.folder.path, name);
    const file = openSync(segmentPath, 'a', 0o600);
    this.seal();
    this.segmentCount++;
    this.file = file;
    this.current = {
      path: segmentPath,
      bytes: 0,
      isSealed: false,
      isDamaged: false,
      shippedBytes: 0,
      isShipped: false,
      open: 0,
    };
    syncFolder(this.folder.path);
    return this.current;
  }

  seal(): void {
    const { current, file } = this;
    if (!current) return;
    current.isSealed = true;
    this.current = null;
    this.file = -1;
    if (current.bytes === 0) rmSync(current.path, { force: true });
    else this.events.sealed(current);
    // Off the request's way; a failure is one of records that are written all the same.
    fdatasync(file, (error) => {
      if (error) this.events.failed(error);
      closeSync(file);
    });
  }

  /** Has the disk keep what was written, off the request's way. */
  sync(): void {
    if (!this.isUnsynced || this.isSyncing || this.file < 0) return;
    this.isUnsynced = false;
    this.isSyncing = true;
    const { file } = this;
    fdatasync(file, (error) => {
      this.isSyncing = false;
      // A file that was closed meanwhile was synchronised as it was.
      if (error && file === this.file) this.events.failed(error);
    });
  }

  /** Half a record is harmless, and yet the next one should not come behind it. */
  private cutTail(active: Segment): void {
    try {
      ftruncateSync(this.file, active.bytes);
    } catch {
      this.seal();
    }
  }
}
