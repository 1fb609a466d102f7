import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import {
  type EmbeddedPostgres,
  removeEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../../src/database/embedded-postgres.js';
import { runMigrations } from '../../../src/database/migrate.js';
import { waitUntil } from '../../integration/auth/replica.js';
import { makeReachableFolder, TEST_SERVER_SETTINGS } from '../../support/postgres.js';
import { signalFamily } from '../../support/process-family.js';

/** A real PostgreSQL of a suite's own: frozen, killed and started again, always on the same port. */
export class PostgresServer {
  private constructor(
    readonly folder: string,
    private readonly settings: Readonly<Record<string, string>>,
    private running: EmbeddedPostgres,
  ) {}

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
    const folder = makeReachableFolder();

    // What it has confirmed is with the system by then, and outlives it.
    const serverSettings = { ...TEST_SERVER_SETTINGS, synchronous_commit: 'on', ...settings };
    const server = await startEmbeddedPostgres({ folder, serverSettings });
    await runMigrations(server.url);
    return new PostgresServer(folder, serverSettings, server);
  }

  get url(): string {
    return this.running.url;
  }

  get port(): number {
    return this.running.port;
  }

  get logFile(): string {
    return join(this.folder, 'postgres', 'server.log');
  }

  async query<T extends pg.QueryResultRow>(statement: string, values: unknown[] = []): Promise<T[]> {
    const client = await this.connect();
    try {
      return (await client.query<T>(statement, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** A connection that the test holds. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url, application_name: 'test' });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Nothing of it runs any more, and every connection stays open. */
  freeze(): void {
    signalFamily(this.running.processId, 'SIGSTOP');
  }

  thaw(): void {
    signalFamily(this.running.processId, 'SIGCONT');
  }

  /** Ends at once, without a word to those who are connected: `pg_ctl stop -m immediate`. */
  async crash(): Promise<void> {
    const { processId } = this.running;
    process.kill(processId, 'SIGQUIT');
    await waitUntil(() => !isAlive(processId));
  }

  /** Starts again after a crash, and recovers. */
  async restart(): Promise<void> {
    this.running = await startEmbeddedPostgres({ folder: this.folder, serverSettings: this.settings });
  }

  /** Stops it and removes its data, whatever state it is in. */
  async remove(): Promise<void> {
    this.thaw();
    await this.running.stop();
    const { processId } = this.running;
    if (isAlive(processId)) process.kill(processId, 'SIGQUIT');
    await waitUntil(() => !isAlive(processId));
    await removeEmbeddedPostgres(this.folder);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** False for a process that has ended and that nobody has reaped, too. */
function isAlive(processId: number): boolean {
  if (!existsSync(`/proc/${processId}/stat`)) return false;
  try {
    return !/\) [ZX] /.test(execFileSync('cat', [`/proc/${processId}/stat`], { encoding: 'utf8' }));
  } catch {
    return false;
  }
}
