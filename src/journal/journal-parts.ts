import { closeSync, fsyncSync, openSync } from 'node:fs';

const MEBIBYTE = 1024 * 1024;
const MAX_SEGMENT_BYTES = 8 * MEBIBYTE;
/** Segments are what room is given back in: the smaller the journal, the smaller they are. */
const SEGMENTS_AT_LEAST = 8;
/** Faults that pass: no room, a disk in trouble. Any other is a mistake in the set-up. */
const PASSING_FAULTS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'EAGAIN', 'EBUSY']);

export interface JournalSettings {
  readonly directory: string;
  readonly maxBytes: number;
  readonly syncIntervalMs: number;
}

/** What happens to a journal. Never throws. */
export interface JournalEvents {
  /** A record is in the journal. */
  recordWritten(): void;
  /** A record could not be written, read again, or shipped. */
  failed(): void;
  /** What it holds: records that are not in PostgreSQL yet, and all its bytes. */
  measured(depth: number, bytes: number): void;
  /** So many records are in PostgreSQL that were not before. */
  shipped(records: number): void;
}

export interface JournalLog {
  log(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** A file's name is part of its folder, which has to reach the disk, too. */
export function syncFolder(path: string): void {
  let folder = -1;
  try {
    folder = openSync(path, 'r');
    fsyncSync(folder);
  } catch {
    // Not every file system knows this; then it needs none.
  } finally {
    if (folder >= 0) closeSync(folder);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isPassing(error: unknown): boolean {
  return PASSING_FAULTS.has(codeOf(error));
}

export function segmentBytesFor(maxBytes: number): number {
  return Math.min(MAX_SEGMENT_BYTES, Math.floor(maxBytes / SEGMENTS_AT_LEAST));
}
