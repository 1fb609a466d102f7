import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { RESERVE_FILE } from './instance-folder.js';

/** Enough for the records of about a thousand requests under way. */
const RESERVE_BYTES = 1024 * 1024;

/** Room on the disk that is given back where it is full, so that what is under way can still be recorded. */
export class DiskReserve {
  private file: string | null = null;

  /** Takes it anew, and thereby tells whether there is room at all: throws the system's error where there is none. */
  async take(folder: string): Promise<void> {
    const name = path.join(folder, RESERVE_FILE);
    const file = await open(name, 'w', 0o600);
    try {
      await file.writeFile(Buffer.alloc(RESERVE_BYTES, 0xa5));
      await file.datasync();
      this.file = name;
    } catch (error) {
      await file.truncate(0).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
  }

  /** True where there was some to give back. */
  release(): boolean {
    const { file } = this;
    this.file = null;
    if (file === null) return false;
    try {
      rmSync(file);
      return true;
    } catch {
      return false;
    }
  }
}
