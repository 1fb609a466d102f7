import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

export const PEPPER_MIN_BYTES = 32;

export interface PepperSource {
  /** `auth.pepper` (`AEGIS_KEY_PEPPER`); may be empty for development. */
  readonly configured: string;
  /** Where a development pepper is made and kept; null where one must be configured. */
  readonly dataFolder: string | null;
}

/**
 * The secret without which the stored hashes say nothing about the keys. Throws where the configured one is short, or
 * where none is configured and none may be made.
 */
export async function loadPepper({ configured, dataFolder }: PepperSource): Promise<string> {
  if (configured !== '') {
    assertLength('auth.pepper (AEGIS_KEY_PEPPER)', configured);
    return configured;
  }
  if (dataFolder === null) {
    throw new Error(
      'auth.pepper (AEGIS_KEY_PEPPER) is empty. It may be left out only in development with the embedded database. Make one with: openssl rand -hex 32',
    );
  }
  const file = path.join(dataFolder, 'pepper');
  const kept = await readFile(file, 'utf8').catch(() => null);
  return (kept ?? (await makePepper(file))).trim();
}

/** `auth.previous_pepper`; empty = none, which is null. Throws where it is short, or the pepper itself. */
export function checkPreviousPepper(configured: string, pepper: string): string | null {
  if (configured === '') return null;
  assertLength('auth.previous_pepper (AEGIS_PREVIOUS_KEY_PEPPER)', configured);
  if (configured === pepper) throw new Error('auth.previous_pepper is the same as auth.pepper: leave it out.');
  return configured;
}

function assertLength(name: string, pepper: string): void {
  const length = Buffer.byteLength(pepper);
  if (length >= PEPPER_MIN_BYTES) return;
  throw new Error(
    `${name} has ${length} bytes and needs at least ${PEPPER_MIN_BYTES}. Make one with: openssl rand -hex 32`,
  );
}

/** Text of 64 hex digits, so that what stands in the file may be given as `AEGIS_KEY_PEPPER` and means the same. */
async function makePepper(file: string): Promise<string> {
  await mkdir(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${randomBytes(PEPPER_MIN_BYTES).toString('hex')}\n`, { mode: 0o600 });
  try {
    // Whole or absent, and the first of two processes wins.
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
  return readFile(file, 'utf8');
}
