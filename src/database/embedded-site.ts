import { createHash, randomBytes } from 'node:crypto';
import {
  access,
  appendFile,
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import type { PostgresBinaries } from './postgres-binaries.js';
import { copyPostgresBinaries, getPostgresBinaries, ignoreExisting } from './postgres-binaries.js';
import type { ServerAccount } from './server-account.js';
import { getServerAccount, runProgram } from './server-account.js';

/** Where one embedded server has its files, and who runs it. */
export interface EmbeddedSite {
  readonly binaries: PostgresBinaries;
  readonly account: ServerAccount | null;
  /** Holds `data`, `password` and `server.log`. */
  readonly home: string;
  readonly data: string;
}

export const EMBEDDED_USER = 'aegis';

/** Where data goes that the server's account cannot reach inside the checkout. */
const SHARED_PARENT = '/var/lib/aegis-dev';

/** A draft left by a process that died while making a cluster. */
const ABANDONED_DRAFT_MS = 10 * 60_000;

/** Loopback only, no sockets in /tmp, and nothing that depends on the machine's language or time zone. */
const SERVER_SETTINGS = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  "timezone = 'UTC'",
  "log_timezone = 'UTC'",
  'max_connections = 100',
  "shared_preload_libraries = 'pg_stat_statements'",
];

/** Chooses the site for a data folder (`.aegis`) and makes the cluster there where there is none yet. */
export async function prepareEmbeddedSite(folder: string): Promise<EmbeddedSite> {
  await mkdir(folder, { recursive: true });
  const pointer = path.join(folder, 'postgres');
  const known = await realpath(pointer).catch(() => null);
  const account = await getServerAccount(path.join(known ?? pointer, 'data'));
  let binaries = await getPostgresBinaries();
  let home = known ?? pointer;
  if (account !== null && !(await canReach(account, binaries, known ?? folder))) {
    const parent = known === null || !(await isLink(pointer)) ? await makeSharedParent(folder) : path.dirname(known);
    binaries = await copyPostgresBinaries(binaries, parent);
    if (known === null) {
      // A new name each time: whoever deletes the data folder means to begin anew, and finds nothing of old here.
      const fresh = path.join(parent, `postgres-${randomBytes(4).toString('hex')}`);
      await symlink(fresh, pointer).catch(ignoreExisting);
      home = await readlink(pointer);
    }
    if (!(await canReach(account, binaries, path.dirname(home)))) {
      throw new Error(
        `PostgreSQL cannot run as root, and account ${account.uid} cannot reach ${home}. Make that folder's parents searchable (chmod o+x), or set DATABASE_URL.`,
      );
    }
  }
  const site = { binaries, account, home, data: path.join(home, 'data') };
  await initialiseCluster(site);
  return site;
}

/** Removes the cluster of a data folder, wherever it is. The server must not run. */
export async function removeEmbeddedSite(folder: string): Promise<void> {
  const pointer = path.join(folder, 'postgres');
  const home = await realpath(pointer).catch(() => pointer);
  const isElsewhere = path.dirname(path.dirname(home)) === SHARED_PARENT;
  await rm(isElsewhere ? path.dirname(home) : home, { recursive: true, force: true });
  await rm(pointer, { recursive: true, force: true });
  await rm(path.join(folder, 'postgres.json'), { force: true });
}

async function isLink(file: string): Promise<boolean> {
  return (await lstat(file)).isSymbolicLink();
}

/** Asked of the system itself, as the account: modes, groups and access lists all count. */
async function canReach(account: ServerAccount, binaries: PostgresBinaries, folder: string): Promise<boolean> {
  const script = 'test -x "$1" && test -x "$2"';
  const postgres = path.join(binaries.folder, 'bin', 'postgres');
  const result = await runProgram('/bin/sh', ['-c', script, 'sh', postgres, folder], { account, workingFolder: '/' });
  return result.code === 0;
}

async function makeSharedParent(folder: string): Promise<string> {
  const name = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex')
    .slice(0, 16);
  const parent = path.join(SHARED_PARENT, name);
  await mkdir(parent, { recursive: true });
  await chmod(SHARED_PARENT, 0o755);
  await chmod(parent, 0o755);
  return parent;
}

/**
 * Made beside its place and renamed into it: a cluster is whole or absent, whoever is killed, and of two processes
 * that make one at once the first wins.
 */
async function initialiseCluster(site: EmbeddedSite): Promise<void> {
  const { account, home } = site;
  const exists = await access(site.data).then(
    () => true,
    () => false,
  );
  if (exists) return;
  await removeAbandonedDrafts(home);
  const draft = await mkdtemp(`${home}.init-`);
  try {
    if (account !== null) await chmod(draft, 0o755);
    const data = path.join(draft, 'data');
    const passwordForServer = path.join(draft, 'password-for-initdb');
    const password = randomBytes(24).toString('base64url');
    await mkdir(data, { mode: 0o700 });
    await writeFile(path.join(draft, 'password'), password, { mode: 0o600 });
    await writeFile(path.join(draft, 'server.log'), '', { mode: 0o600 });
    await writeFile(passwordForServer, password, { mode: 0o600 });
    if (account !== null) {
      for (const file of [data, passwordForServer, path.join(draft, 'server.log')]) {
        await chown(file, account.uid, account.gid);
      }
    }
    const parameters = [
      `--pgdata=${data}`,
      `--username=${EMBEDDED_USER}`,
      `--pwfile=${passwordForServer}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ];
    const initdb = path.join(site.binaries.folder, 'bin', 'initdb');
    const result = await runProgram(initdb, parameters, { account, workingFolder: draft });
    if (result.code !== 0) throw new Error(`PostgreSQL could not make its data folder: ${result.output.trim()}`);
    await rm(passwordForServer);
    await appendFile(path.join(data, 'postgresql.conf'), `${SERVER_SETTINGS.join('\n')}\n`);
    await rename(draft, home).catch(ignoreExisting);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function removeAbandonedDrafts(home: string): Promise<void> {
  const parent = path.dirname(home);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${path.basename(home)}.init-`)) continue;
    const draft = path.join(parent, name);
    const madeAtMs = await stat(draft).then(
      (facts) => facts.mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - madeAtMs > ABANDONED_DRAFT_MS) await rm(draft, { recursive: true, force: true });
  }
}
