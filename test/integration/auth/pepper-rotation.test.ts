import { randomBytes } from 'node:crypto';
import { hashApiKey } from '../../../src/auth/api-key.js';
import type { TestDatabase } from '../../support/postgres.js';
import { createDatabase } from '../../support/postgres.js';
import { describeWithRedis, startRedis, type TestRedis } from '../../support/redis.js';
import { buildOrder, PEPPER, type Replica, startReplica, waitUntil } from './replica.js';

const NEW_PEPPER = 'the pepper that takes the place of it';
const replaced = { pepper: NEW_PEPPER, previousPepper: PEPPER };

describeWithRedis('a pepper that is replaced', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  const replicas: Replica[] = [];
  const start = async (auth = {}): Promise<Replica> => {
    const replica = await startReplica({ databaseUrl: database.url, redisUrl: redis.url, auth });
    replicas.push(replica);
    await waitUntil(() => replica.redis.isAvailable);
    return replica;
  };
  beforeAll(async () => {
    [database, redis] = await Promise.all([createDatabase(), startRedis()]);
  });
  afterEach(async () => {
    for (const replica of replicas.splice(0)) await replica.close();
  });
  afterAll(async () => {
    await redis.close();
    await database.drop();
  });

  const hashesOf = async (id: string) =>
    (
      await database.query<{ key_hash: string; previous_key_hash: string | null; changed_in: string }>(
        'SELECT key_hash, previous_key_hash, changed_in::text FROM api_key WHERE id = $1',
        [id],
      )
    )[0];

  it('leaves every key working, and hashes each anew when it is used, once', async () => {
    const before = await start();
    const { key, record } = await before.administration.mint('test', buildOrder());
    const after = await Promise.all([start(replaced), start(replaced), start(replaced)]);
    const found = await Promise.all(after.flatMap(({ finder }) => Array.from({ length: 20 }, () => finder.find(key))));
    for (const { key: stored } of found) expect(stored?.principal.keyId).toBe(record.principal.keyId);
    const hashes = { key_hash: hashApiKey(key, NEW_PEPPER), previous_key_hash: record.keyHash };
    await waitUntil(async () => (await hashesOf(record.principal.keyId))?.key_hash === hashes.key_hash);
    const row = await hashesOf(record.principal.keyId);
    expect(row).toMatchObject(hashes);
    // Found by its new hash from now on, and not written again.
    for (const { finder } of after) {
      await waitUntil(async () => (await finder.find(key)).keyHash === hashes.key_hash);
    }
    expect(await hashesOf(record.principal.keyId)).toEqual(row);
    // A gateway that was not restarted yet finds it all the same.
    before.store.forget([record.keyHash]);
    expect((await before.finder.find(key)).key?.status).toBe('active');
    const last = await start({ pepper: NEW_PEPPER });
    expect((await last.finder.find(key)).key?.status).toBe('active');
  });

  it('lets no cache keep a revoked key by its old hash', async () => {
    const before = await start();
    const { key, record } = await before.administration.mint('test', buildOrder());
    await before.finder.find(key);
    await before.store.writeBack(record.keyHash);
    const after = await start(replaced);
    await after.finder.find(key);
    await waitUntil(async () => (await hashesOf(record.principal.keyId))?.previous_key_hash === record.keyHash);
    await before.finder.find(key);
    const [current] = await after.administration.find(key);
    if (current === undefined) throw new Error('The key is gone');
    await after.administration.revoke(current, null);
    for (const { finder } of [before, after]) {
      await waitUntil(async () => (await finder.find(key)).key?.status === 'revoked', 1_000);
    }
  });

  it('costs an unknown key two queries, once for as long as that is remembered', async () => {
    await database.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    const countLookups = async (): Promise<number> => {
      const [row] = await database.query<{ calls: number }>(
        `SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND query LIKE '%"key"."key_hash" = $1%'`,
      );
      return row?.calls ?? -1;
    };
    const after = await start(replaced);
    const key = `aegis-test-${randomBytes(16).toString('hex')}`;
    const before = await countLookups();
    await Promise.all(Array.from({ length: 100 }, () => after.finder.find(key)));
    expect((await after.finder.find(key)).key).toBeNull();
    expect((await countLookups()) - before).toBe(2);
  });

  it('finds nothing under the one before once that is no longer given', async () => {
    const before = await start();
    const { key } = await before.administration.mint('test', buildOrder());
    const last = await start({ pepper: NEW_PEPPER });
    expect((await last.finder.find(key)).key).toBeNull();
  });
});
