import { type FileHandle, open } from 'node:fs/promises';
import { type Damage, MAX_FRAME_BYTES, readFrames } from './frames.js';

/** Holds any frame, and many of the usual size. */
const READ_BYTES = 2 * MAX_FRAME_BYTES;

export interface SegmentScan {
  readonly records: number;
  /** Up to the end of the last frame; what is behind it was never written to its end. */
  readonly wholeBytes: number;
  readonly damages: readonly Damage[];
}

export interface SegmentPiece {
  readonly payloads: readonly string[];
  readonly nextOffset: number;
  readonly damages: readonly Damage[];
}

/** Reads a segment from `offset` on, at most `maxRecords`, up to `end`. Where it is `isSealed`, nothing can follow there. */
export async function readSegment(
  path: string,
  range: { readonly offset: number; readonly end: number; readonly isSealed: boolean },
  maxRecords: number,
): Promise<SegmentPiece> {
  const file = await open(path, 'r');
  try {
    return await readPiece(file, range, maxRecords);
  } finally {
    await file.close();
  }
}

/** Reads a whole segment once. `visit` gets every payload. */
export async function scanSegment(path: string, visit?: (payload: string) => void): Promise<SegmentScan> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const damages: Damage[] = [];
    let records = 0;
    let wholeBytes = 0;
    let offset = 0;
    while (offset < size) {
      const piece = await readPiece(file, { offset, end: size, isSealed: true }, Number.MAX_SAFE_INTEGER);
      if (piece.nextOffset === offset) break;
      records += piece.payloads.length;
      damages.push(...piece.damages);
      if (visit) for (const payload of piece.payloads) visit(payload);
      const last = piece.damages.at(-1);
      const endsDamaged = last !== undefined && last.offset + last.bytes === piece.nextOffset;
      if (piece.payloads.length > 0) wholeBytes = endsDamaged ? last.offset : piece.nextOffset;
      offset = piece.nextOffset;
    }
    return { records, wholeBytes, damages };
  } finally {
    await file.close();
  }
}

async function readPiece(
  file: FileHandle,
  { offset, end, isSealed }: { readonly offset: number; readonly end: number; readonly isSealed: boolean },
  maxRecords: number,
): Promise<SegmentPiece> {
  const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(READ_BYTES, end - offset)));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
  const reachesEnd = offset + bytesRead >= end || bytesRead < buffer.length;
  const reading = readFrames(buffer.subarray(0, bytesRead), isSealed && reachesEnd, maxRecords);
  return {
    payloads: reading.payloads,
    nextOffset: offset + reading.consumedBytes,
    damages: reading.damages.map((damage) => ({ ...damage, offset: offset + damage.offset })),
  };
}
