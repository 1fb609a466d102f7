import { rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import type { UsageRecord } from '../../domain/accounting.js';
import { listSegments } from './instance-folder.js';
import { Orphans } from './orphans.js';
import { decodeEntry } from './record.codec.js';
import type { Segment } from './segment.js';
import { scanSegment } from './segment.reader.js';

/** What a process left behind that died. */
export interface Estate {
  /** Oldest first. */
  readonly segments: readonly Segment[];
  /** How many records stand in them. */
  readonly records: number;
  /** Requests that were under way: a record for each, which is in no segment. */
  readonly orphans: readonly UsageRecord[];
  /** What cannot be read, in words. */
  readonly problems: readonly string[];
}

/** Reads all of a dead process's segments, and cuts off what it could not write to its end. */
export async function readEstate(folder: string): Promise<Estate> {
  const orphans = new Orphans();
  const segments: Segment[] = [];
  const problems: string[] = [];
  let records = 0;
  for (const name of listSegments(folder)) {
    const file = path.join(folder, name);
    try {
      const before = problems.length;
      const { wholeBytes, damages } = await scanSegment(file, (payload) => {
        const entry = decodeEntry(payload);
        if (entry?.kind === 'beginning') orphans.begin(entry.beginning);
        else if (entry) {
          orphans.end(entry.record.id);
          records++;
        } else problems.push(`${file}: an entry is of a form this version does not know`);
      });
      for (const { offset, bytes } of damages) {
        if (offset < wholeBytes) problems.push(`${file}: ${bytes} bytes at ${offset} cannot be read and are skipped`);
      }
      if ((await stat(file)).size > wholeBytes) await truncate(file, wholeBytes);
      if (wholeBytes === 0) await rm(file, { force: true });
      else segments.push(sealedSegment(file, wholeBytes, problems.length > before));
    } catch (error) {
      problems.push(`${file} cannot be read: ${String(error)}`);
    }
  }
  return { segments, records, orphans: orphans.records(), problems };
}

function sealedSegment(file: string, bytes: number, isDamaged: boolean): Segment {
  return { path: file, bytes, isSealed: true, isDamaged, shippedBytes: 0, isShipped: false, open: 0 };
}
