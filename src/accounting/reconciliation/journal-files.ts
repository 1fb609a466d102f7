import { readdirSync } from 'node:fs';
import path from 'node:path';
import { listFolders, listSegments } from '../../journal/instance-folder.js';
import { scanSegment } from '../../journal/segment.reader.js';
import { decodeEntry, type JournalEntry } from '../journal/record.codec.js';

/** The names of all that lies in a journal's folder; none where there is no such folder. */
export function listJournal(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The segments of every process, living and dead. */
export function listAllSegments(directory: string): string[] {
  if (listJournal(directory).length === 0) return [];
  return listFolders(directory).flatMap((name) => {
    const folder = path.join(directory, name);
    return listSegments(folder).map((segment) => path.join(folder, segment));
  });
}

/** Reads one segment. `visit` gets null for what this version does not know. What cannot be read, in words. */
export async function visitEntries(segment: string, visit: (entry: JournalEntry | null) => void): Promise<string[]> {
  try {
    const { damages, wholeBytes } = await scanSegment(segment, (payload) => visit(decodeEntry(payload)));
    return damages
      .filter(({ offset }) => offset < wholeBytes)
      .map(({ offset, bytes }) => `${segment}: ${bytes} bytes at ${offset} cannot be read`);
  } catch (error) {
    // All of it reached the ledger meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
