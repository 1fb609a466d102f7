import { randomBytes } from 'node:crypto';
import type { TestDatabase } from '../../support/postgres.js';
import { createDatabase } from '../../support/postgres.js';
import type { Replica } from './replica.js';
import { buildOrder, startReplica, waitUntil } from './replica.js';

describe('the key store on a real PostgreSQL, without Redis', () => {
  let database: TestDatabase;
  const replicas: Replica[] = [];
  const start = async (auth = {}): Promise<Replica> => {
    const replica = await startReplica({ databaseUrl: database.url, auth });
    replicas.push(replica);
    return replica;
  };
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterEach(async () => {
    for (const replica of replicas.splice(0)) await replica.close();
  });
  afterAll(() => database.drop());

  /** Look-ups by hash that PostgreSQL itself counted. */
  const countLookups = async (): Promise<number> => {
    const rows = await database.query<{ calls: number }>(
      `SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements
       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND query LIKE '%"key"."key_hash" = $1%'`,
    );
    return rows[0]?.calls ?? -1;
  };

  it('finds a key with everything that was stored of it, first in the database, then in memory', async () => {
    const { store, keys } = await start();
    const order = buildOrder();
    await keys.create(order);
    const { keyHash, ...principal } = order;
    const found = await store.find(keyHash);
    expect(found).toEqual({
      tier: 'database',
      key: expect.objectContaining({
        status: 'active',
        principal: expect.objectContaining({ ...principal, keyId: expect.stringMatching(/^[0-9a-f-]{36}$/) }),
      }),
    });
    expect(await store.find(keyHash)).toEqual({ ...found, tier: 'memory' });
  });

  it('answers 500 simultaneous look-ups of a key with one query', async () => {
    const { store, keys } = await start();
    const { keyHash } = await keys.create(buildOrder());
    await database.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    const before = await countLookups();
    const found = await Promise.all(Array.from({ length: 500 }, () => store.find(keyHash)));
    expect(found.every(({ key }) => key?.status === 'active')).toBe(true);
    expect((await countLookups()) - before).toBe(1);
    const unknown = buildOrder().keyHash;
    await Promise.all(Array.from({ length: 500 }, () => store.find(unknown)));
    expect((await countLookups()) - before).toBe(2);
  });

  it('asks once for an unknown key, and finds it soon after it was made', async () => {
    const { store, keys } = await start({ negativeTtlMs: 200 });
    const order = buildOrder();
    expect(await store.find(order.keyHash)).toEqual({ key: null, tier: 'none' });
    await keys.create(order);
    await waitUntil(async () => (await store.find(order.keyHash)).key !== null, 2_000);
  });

  it('keeps known keys in memory while a flood of unknown ones goes by', async () => {
    const { store, keys } = await start({ cacheMaxEntries: 50 });
    const order = buildOrder();
    await keys.create(order);
    await store.find(order.keyHash);
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(Array.from({ length: 10 }, () => store.find(randomBytes(32).toString('hex'))));
    }
    expect((await store.find(order.keyHash)).tier).toBe('memory');
  });

  it('sees a revocation made elsewhere within the life of an entry in memory', async () => {
    const [first, second] = [await start({ cacheTtlMs: 1_000 }), await start({ cacheTtlMs: 1_000 })];
    const record = await first.keys.create(buildOrder());
    await second.store.find(record.keyHash);
    expect((await second.store.find(record.keyHash)).tier).toBe('memory');
    await first.administration.revoke(record, 'lost laptop');
    const tookMs = await waitUntil(async () => (await second.store.find(record.keyHash)).key?.status === 'revoked');
    expect(tookMs).toBeLessThan(1_000 + 500);
  });

  it('never keeps what a look-up found that a revocation overtook', async () => {
    const { store, keys, administration } = await start();
    const record = await keys.create(buildOrder());
    // The row is locked for nobody: hold the answer back instead, between the database and the store.
    const findByHash = keys.findByHash.bind(keys);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let asked = 0;
    keys.findByHash = async (keyHash) => {
      const found = await findByHash(keyHash);
      asked += 1;
      if (asked === 1) await held;
      return found;
    };
    const early = store.find(record.keyHash);
    await waitUntil(() => asked === 1);
    await administration.revoke(record, null);
    store.forget([record.keyHash]);
    release();
    expect((await early).key?.status).toBe('revoked');
    expect((await store.find(record.keyHash)).key?.status).toBe('revoked');
  });

  it('revokes a key once, and keeps the first reason', async () => {
    const { keys } = await start();
    const { principal } = await keys.create(buildOrder());
    const results = await Promise.all(['a', 'b', 'c'].map((reason) => keys.revoke(principal.keyId, reason)));
    expect(results.filter(Boolean)).toHaveLength(1);
    const [record] = await keys.findByReference(principal.keyId);
    expect(record).toMatchObject({ status: 'revoked', revokedAt: expect.any(Date) });
    expect(await keys.revoke(principal.keyId, 'd')).toBe(false);
    expect((await keys.findByReference(principal.keyId))[0]?.revokedReason).toBe(record?.revokedReason);
  });

  it('makes an organization and a team once, however many keys are made for them at the same time', async () => {
    const { keys } = await start();
    await Promise.all(Array.from({ length: 8 }, () => keys.create(buildOrder({ organization: 'new', team: 'team' }))));
    const rows = await database.query(
      "SELECT team.id FROM team JOIN organization ON organization.id = organization_id WHERE organization.name = 'new'",
    );
    expect(rows).toHaveLength(1);
    expect(await keys.list({ organization: 'new', team: 'team' })).toHaveLength(8);
  });

  it('replaces a key by another like it, or not at all', async () => {
    const { administration, keys } = await start();
    const { record } = await administration.mint('dev', buildOrder());
    const [one, two] = await Promise.all([administration.rotate(record, null), administration.rotate(record, null)]);
    const made = [one, two].filter((rotated) => rotated !== null);
    expect(made).toHaveLength(1);
    expect(made[0]?.record.principal).toMatchObject({ keyName: 'laptop', budgetNanoUsd: 9_007_199_254_740_993n });
    const [old] = await keys.findByReference(record.principal.keyId);
    expect(old).toMatchObject({ status: 'revoked', revokedReason: `rotated to ${made[0]?.record.principal.keyId}` });
  });

  it('lets a rotated key live through its grace, never longer than it had', async () => {
    const { administration, keys } = await start();
    const soon = new Date(Date.now() + 60_000);
    const later = new Date(Date.now() + 3_600_000);
    const { record } = await administration.mint('dev', buildOrder({ expiresAtMs: soon.getTime() }));
    await administration.rotate(record, later);
    expect((await keys.findByReference(record.principal.keyId))[0]?.principal.expiresAtMs).toBe(soon.getTime());
    const { record: endless } = await administration.mint('dev', buildOrder());
    await administration.rotate(endless, later);
    const [ending] = await keys.findByReference(endless.principal.keyId);
    expect(ending).toMatchObject({ status: 'active', principal: { expiresAtMs: later.getTime() } });
  });
});
