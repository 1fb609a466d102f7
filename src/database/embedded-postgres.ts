import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { EmbeddedSite } from './embedded-site.js';
import { EMBEDDED_USER, prepareEmbeddedSite, removeEmbeddedSite } from './embedded-site.js';
import { runProgram } from './server-account.js';

export interface EmbeddedPostgresOptions {
  /** The data folder (`.aegis`): the cluster goes to `postgres` in it. */
  readonly folder: string;
  /** Server settings for this start, e.g. `{fsync: 'off'}` for tests; ignored where the server already runs. */
  readonly serverSettings?: Readonly<Record<string, string>>;
  /** Told, in a person's words, what takes a moment. */
  readonly report?: (message: string) => void;
}

/** A real PostgreSQL on this machine, shared by every process that asked for it. */
export interface EmbeddedPostgres {
  /** Connection URL of the database `aegis`, password included. */
  readonly url: string;
  readonly port: number;
  /** The server's own process id. */
  readonly processId: number;
  /** Gives the server up; stops it where no other process uses it. May be called again. */
  stop(): Promise<void>;
}

interface RunningServer {
  readonly port: number;
  readonly processId: number;
  /** Held as long as this process uses the server: the server's own list of sessions says who still does. */
  readonly lease: pg.Client;
}

const DATABASE = 'aegis';
const LEASE = 'aegis-lease';
/** Advisory lock under which a process that leaves decides whether it is the last one. */
const LEAVING_LOCK = 7_301_001;
const START_DEADLINE_MS = 60_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** What a start says that lost a race for the port or the data folder; a new try finds out which. */
const RACES = ['lock file', 'could not bind', 'could not create any TCP/IP sockets', 'pre-existing shared memory'];

/**
 * Starts PostgreSQL, or joins the one that another process started in the same folder. Survives `kill -9` of
 * anything: PostgreSQL recovers its own lock file, and whoever comes next takes over what still runs.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { folder, serverSettings = {}, report = () => undefined } = options;
  const hasCluster = await stat(path.join(folder, 'postgres', 'data')).catch(() => null);
  if (hasCluster === null) report('Preparing an embedded PostgreSQL (once) …');
  const site = await prepareEmbeddedSite(folder);
  const password = (await readFile(path.join(site.home, 'password'), 'utf8')).trim();

  const deadline = Date.now() + START_DEADLINE_MS;
  let port = await findLastPort(folder);
  let server = await joinRunning(site, password);
  while (server === null) {
    report('Starting the embedded PostgreSQL …');
    const failure = await startServer(site, port ?? (await findFreePort()), serverSettings);
    server = await joinRunning(site, password);
    if (server === null && failure !== null) {
      if (!RACES.some((race) => failure.includes(race)) || Date.now() > deadline) {
        throw new Error(`The embedded PostgreSQL does not start: ${failure}`);
      }
      port = null;
      await sleep(200);
    }
  }
  await createDatabaseIfMissing(server.lease);
  const url = buildUrl(server.port, password, DATABASE);
  await writeFile(
    path.join(folder, 'postgres.json'),
    `${JSON.stringify({ port: server.port, pid: server.processId, url })}\n`,
    { mode: 0o600 },
  );

  let stopping: Promise<void> | undefined;
  const { lease } = server;
  // A lease that nobody gave up must not keep a finished process alive.
  socketOf(lease).unref();
  return {
    url,
    port: server.port,
    processId: server.processId,
    stop: () => {
      stopping ??= leave(site, lease);
      return stopping;
    },
  };
}

/** Removes the embedded database and all its data. Refuses while a server runs in the folder. */
export async function removeEmbeddedPostgres(folder: string): Promise<void> {
  const home = path.join(folder, 'postgres');
  const password = await readFile(path.join(home, 'password'), 'utf8').catch(() => null);
  if (password !== null) {
    const site = await prepareEmbeddedSite(folder);
    const server = await joinRunning(site, password.trim());
    if (server !== null) {
      await server.lease.end();
      throw new Error('The embedded PostgreSQL is in use. Stop the gateway first.');
    }
  }
  await removeEmbeddedSite(folder);
}

function buildUrl(port: number, password: string, database: string): string {
  return `postgres://${EMBEDDED_USER}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`;
}

/** Joins the server of this data folder; null where none runs. Waits for one that is starting or recovering. */
async function joinRunning(site: EmbeddedSite, password: string): Promise<RunningServer | null> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    const lines = (await readFile(path.join(site.data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    const processId = Number(lines[0]);
    const port = Number(lines[3]);
    if (!processId || !port) return null;
    const lease = new pg.Client({
      connectionString: buildUrl(port, password, 'postgres'),
      application_name: LEASE,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: CONNECT_TIMEOUT_MS * 2,
      keepAlive: true,
    });
    // The server may go at any time; whoever uses it finds out by its own connections.
    lease.on('error', () => undefined);
    try {
      await lease.connect();
      const { rows } = await lease.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
      if (rows[0]?.folder !== site.data) throw new Error('another server answers on this port');
      return { port, processId, lease };
    } catch (error) {
      await lease.end().catch(() => undefined);
      const isStarting = (error as { code?: unknown }).code === '57P03';
      if (!isStarting) return null;
      if (Date.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

/** Null where the server is up; else what went wrong. */
async function startServer(
  site: EmbeddedSite,
  port: number,
  serverSettings: Readonly<Record<string, string>>,
): Promise<string | null> {
  await removeStaleLock(site.data);
  const log = path.join(site.home, 'server.log');
  await truncate(log).catch(() => undefined);
  const settings = Object.entries(serverSettings).map(([name, value]) => `-c ${name}=${value}`);
  const result = await runProgram(
    path.join(site.binaries.folder, 'bin', 'pg_ctl'),
    [
      'start',
      '--silent',
      '--wait',
      '--timeout=60',
      `--pgdata=${site.data}`,
      `--log=${log}`,
      `--options=${[`-p ${port}`, ...settings].join(' ')}`,
    ],
    { account: site.account, workingFolder: site.home },
  );
  if (result.code === 0) return null;
  return `${result.output.trim()}\n${(await readFile(log, 'utf8')).trim().split('\n').slice(-10).join('\n')}`;
}

/**
 * PostgreSQL believes a lock file whose process id lives. In containers that id is soon another program's, and a
 * server killed there would never start again.
 */
async function removeStaleLock(data: string): Promise<void> {
  const lock = path.join(data, 'postmaster.pid');
  const processId = Number((await readFile(lock, 'utf8').catch(() => '')).split('\n')[0]);
  if (!processId) return;
  const command = await readFile(`/proc/${processId}/cmdline`, 'utf8').catch(() => null);
  // Empty: a dead process that nobody has reaped.
  if (command !== null && !command.includes('postgres')) await rm(lock, { force: true });
}

function socketOf(client: pg.Client): Socket {
  return client.connection.stream as Socket;
}

async function leave(site: EmbeddedSite, lease: pg.Client): Promise<void> {
  // Giving it up takes two questions, and the process has to live for their answers.
  socketOf(lease).ref();
  try {
    await lease.query('SELECT pg_advisory_lock($1)', [LEAVING_LOCK]);
    const { rows } = await lease.query<{ others: number }>(
      'SELECT count(*)::int AS others FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()',
      [LEASE],
    );
    if (rows[0]?.others === 0) await stopServer(site);
  } catch {
    // No session, no server: there is nothing left to stop.
  } finally {
    await lease.end().catch(() => undefined);
  }
}

async function stopServer(site: EmbeddedSite): Promise<void> {
  await runProgram(
    path.join(site.binaries.folder, 'bin', 'pg_ctl'),
    ['stop', '--silent', '--mode=fast', '--wait', '--timeout=30', `--pgdata=${site.data}`],
    { account: site.account, workingFolder: site.home },
  );
}

async function createDatabaseIfMissing(lease: pg.Client): Promise<void> {
  const { rowCount } = await lease.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
  if (rowCount) return;
  await lease.query(`CREATE DATABASE ${DATABASE}`).catch((error: unknown) => {
    const code = (error as { code?: unknown }).code;
    // Another process made it a moment before.
    if (code !== '42P04' && code !== '23505') throw error;
  });
}

/** The port of last time, so that a URL somebody noted keeps working. */
async function findLastPort(folder: string): Promise<number | null> {
  const text = await readFile(path.join(folder, 'postgres.json'), 'utf8').catch(() => '{}');
  try {
    const port = (JSON.parse(text) as { port?: unknown }).port;
    return typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
  } catch {
    return null;
  }
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
