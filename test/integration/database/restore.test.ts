import { execFileSync } from 'node:child_process';
import { realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { PostgresServer } from '../../faults/support/postgres-server.js';
import { buildOrder, type Replica, startReplica, waitUntil } from '../auth/replica.js';

/** With whose they are: the server runs as an account of its own. */
const copy = (from: string, to: string): unknown => execFileSync('cp', ['-a', from, to]);

/** A backup as the simplest there is: the files of a server that was stopped. */
describe('a PostgreSQL that was restored from a backup', () => {
  let postgres: PostgresServer;
  let replica: Replica;
  let data: string;
  beforeEach(async () => {
    postgres = await PostgresServer.start();
    data = path.join(await realpath(path.join(postgres.folder, 'postgres')), 'data');
    replica = await startReplica({ databaseUrl: postgres.url, auth: { cacheTtlMs: 60_000 } });
  }, 60_000);
  afterEach(async () => {
    await replica.close();
    await postgres.remove();
  });

  const find = async (keyHash: string): Promise<string | null> => {
    const { key } = await replica.store.find(keyHash);
    return key?.status ?? null;
  };
  const backUp = async (): Promise<void> => {
    await postgres.crash();
    copy(data, `${data}.backup`);
    await postgres.restart();
    await waitUntil(() => replica.database.isAvailable);
  };
  const restore = async (): Promise<void> => {
    await postgres.crash();
    await rm(data, { recursive: true });
    copy(`${data}.backup`, data);
    await postgres.restart();
  };

  it('is noticed by gateways that run: a key made after the backup ends, and one revoked after it is what the backup says', async () => {
    const before = await replica.keys.create(buildOrder());
    expect(await find(before.keyHash)).toBe('active');
    await backUp();

    const after = await replica.keys.create(buildOrder());
    expect(await find(after.keyHash)).toBe('active');
    await postgres.query(`UPDATE api_key SET status = 'revoked', revoked_at = now() WHERE id = $1`, [
      before.principal.keyId,
    ]);
    await replica.changes.sweep();
    expect(await find(before.keyHash)).toBe('revoked');

    await restore();
    // Both are still in memory, and would be believed for a minute.
    await waitUntil(async () => (await find(after.keyHash)) === null, 20_000);
    expect(await find(before.keyHash)).toBe('active');
  }, 120_000);

  // As many transactions as the last look for changes has seen, and yet not the same.
  it('is noticed where no more was lost than what came after the last look at what changed', async () => {
    await backUp();
    await replica.changes.sweep();
    const after = await replica.keys.create(buildOrder());
    expect(await find(after.keyHash)).toBe('active');
    await restore();
    await waitUntil(async () => (await find(after.keyHash)) === null, 20_000);
  }, 120_000);
});
