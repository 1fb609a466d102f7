import { rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { listSegments } from './instance-folder.js';
import type { Segment } from './segment.js';
import { scanSegment } from './segment.reader.js';

/** Looks at each entry that a dead process left, from its first on. */
export interface EstateReader {
  /** Whether it is one that is shipped; `unknown` where this version cannot read it. */
  visit(payload: string): 'record' | 'other' | 'unknown';
  /**
   * Records what has to be because the process died, in the heir's own part of the journal. What that was, in words.
   * Where it throws, all of it is done again later.
   */
  settle(): string;
}

/** What a process left behind that died. */
export interface Estate {
  /** Oldest first. */
  readonly segments: readonly Segment[];
  /** How many records stand in them. */
  readonly records: number;
  /** What cannot be read, in words. */
  readonly problems: readonly string[];
}

/** Reads all of a dead process's segments, and cuts off what it could not write to its end. */
export async function readEstate(folder: string, reader: EstateReader): Promise<Estate> {
  const segments: Segment[] = [];
  const problems: string[] = [];
  let records = 0;
  for (const name of listSegments(folder)) {
    const file = path.join(folder, name);
    try {
      const before = problems.length;
      const { wholeBytes, damages } = await scanSegment(file, (payload) => {
        const kind = reader.visit(payload);
        if (kind === 'record') records++;
        if (kind === 'unknown') problems.push(`${file}: an entry is of a form this version does not know`);
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
  return { segments, records, problems };
}

function sealedSegment(file: string, bytes: number, isDamaged: boolean): Segment {
  return { path: file, bytes, isSealed: true, isDamaged, shippedBytes: 0, isShipped: false, open: 0 };
}
