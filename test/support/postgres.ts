import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { EmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { runMigrations } from '../../src/database/migrate.js';

export interface TestDatabase {
  readonly url: string;
  /** Runs statements beside the code under test. */
  query<T extends pg.QueryResultRow>(statement: string, values?: unknown[]): Promise<T[]>;
  drop(): Promise<void>;
}

/** Speed over safety: a test's data need not survive a power cut. */
export const TEST_SERVER_SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** A database of its own on the run's one real PostgreSQL; with all tables unless `migrated` is false. */
export async function createDatabase({ migrated = true } = {}): Promise<TestDatabase> {
  const serverUrl = process.env.AEGIS_TEST_POSTGRES_URL;
  if (!serverUrl) throw new Error('AEGIS_TEST_POSTGRES_URL is not set: this kind of test needs the global setup');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withClient(serverUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  const target = new URL(serverUrl);
  target.pathname = `/${name}`;
  const url = target.toString();
  if (migrated) await runMigrations(url);
  return {
    url,
    query: (statement, values) => withClient(url, async (client) => (await client.query(statement, values)).rows),
    drop: async () => {
      await withClient(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

export interface TestServer extends EmbeddedPostgres {
  readonly folder: string;
  /** Stops the server and removes its data. */
  remove(): Promise<void>;
}

/** A PostgreSQL of a suite's own, for suites that freeze or kill it. */
export async function startOwnPostgres(): Promise<TestServer> {
  const folder = makeReachableFolder();
  const server = await startEmbeddedPostgres({ folder, serverSettings: TEST_SERVER_SETTINGS });
  return {
    ...server,
    folder,
    remove: async () => {
      await server.stop();
      await removeEmbeddedPostgres(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A temporary folder that the server's account can reach. */
export function makeReachableFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'aegis-test-'));
  chmodSync(folder, 0o755);
  return folder;
}

async function withClient<T>(url: string, action: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await action(client);
  } finally {
    await client.end();
  }
}
