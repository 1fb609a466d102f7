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
  beforeAll(async () => {
    postgres = await PostgresServer.start();
    replica = await startReplica({ databaseUrl: postgres.url, auth: { cacheTtlMs: 60_000 } });
  }, 60_000);
  afterAll(async () => {
    await replica.close();
    await postgres.remove();
  });

  it('is noticed by gateways that run: a key made after the backup ends, and one revoked after it is what the backup says', async () => {
    const data = path.join(await realpath(path.join(postgres.folder, 'postgres')), 'data');
    const find = async (keyHash: string): Promise<string | null> => {
      const { key } = await replica.store.find(keyHash);
      return key?.status ?? null;
    };
    const before = await replica.keys.create(buildOrder());
    expect(await find(before.keyHash)).toBe('active');
    await postgres.crash();
    copy(data, `${data}.backup`);
    await postgres.restart();

    await waitUntil(() => replica.database.isAvailable);
    const after = await replica.keys.create(buildOrder());
    expect(await find(after.keyHash)).toBe('active');
    await postgres.query(`UPDATE api_key SET status = 'revoked', revoked_at = now() WHERE id = $1`, [
      before.principal.keyId,
    ]);
    await replica.changes.sweep();
    expect(await find(before.keyHash)).toBe('revoked');

    await postgres.crash();
    await rm(data, { recursive: true });
    copy(`${data}.backup`, data);
    await postgres.restart();

    // Both are still in memory, and would be believed for a minute.
    await waitUntil(async () => (await find(after.keyHash)) === null, 20_000);
    expect(await find(before.keyHash)).toBe('active');
  }, 120_000);
});
