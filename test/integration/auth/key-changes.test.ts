import pg from 'pg';
import type { TestDatabase } from '../../support/postgres.js';
import { createDatabase } from '../../support/postgres.js';
import type { Replica } from './replica.js';
import { buildOrder, startReplica, waitUntil } from './replica.js';

describe('changes of keys, without any message', () => {
  let database: TestDatabase;
  let replica: Replica;
  beforeAll(async () => {
    database = await createDatabase();
  });
  beforeEach(async () => {
    // Entries live longer than a test: only a sweep can make the replica forget one.
    replica = await startReplica({ databaseUrl: database.url, auth: { cacheTtlMs: 600_000 } });
    await replica.changes.sweep();
  });
  afterEach(() => replica.close());
  afterAll(() => database.drop());

  const makeWarmKey = async () => {
    const record = await replica.keys.create(buildOrder());
    await replica.changes.sweep();
    await replica.store.find(record.keyHash);
    expect((await replica.store.find(record.keyHash)).tier).toBe('memory');
    return record;
  };
  const statusOf = async (keyHash: string) => (await replica.store.find(keyHash)).key?.status;

  it('are found however late their transaction ends, and whatever was committed and seen meanwhile', async () => {
    const [late, early] = [await makeWarmKey(), await makeWarmKey()];
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query("UPDATE api_key SET status = 'revoked', revoked_at = now() WHERE id = $1", [
        late.principal.keyId,
      ]);
      await replica.keys.revoke(early.principal.keyId, null);
      for (let sweeps = 0; sweeps < 3; sweeps += 1) await replica.changes.sweep();
      expect(await statusOf(early.keyHash)).toBe('revoked');
      expect(await statusOf(late.keyHash)).toBe('active');
      await client.query('COMMIT');
      await replica.changes.sweep();
      expect(await statusOf(late.keyHash)).toBe('revoked');
    } finally {
      await client.end();
    }
  });

  it('are told once where nobody else is writing', async () => {
    await makeWarmKey();
    const { horizon } = await replica.keys.findChanged(null, 0);
    const record = await replica.keys.create(buildOrder());
    const told = await replica.keys.findChanged(horizon, 0);
    expect(told.hashes).toContain(record.keyHash);
    await waitUntil(async () => (await replica.keys.findChanged(null, 0)).horizon > told.horizon - 1n);
    await replica.keys.recordUses(new Map([[record.principal.keyId, Date.now()]]));
    expect((await replica.keys.findChanged(told.horizon, 0)).hashes).toEqual([]);
  });

  it('are found by whatever statement they were made, of the team and the organization too', async () => {
    const record = await makeWarmKey();
    await database.query('UPDATE api_key SET rpm_limit = 7 WHERE id = $1', [record.principal.keyId]);
    await replica.changes.sweep();
    expect((await replica.store.find(record.keyHash)).key?.principal.rpmLimit).toBe(7);
    await database.query("UPDATE team SET name = 'platform' WHERE name = 'core'");
    await database.query("UPDATE organization SET name = 'acme inc' WHERE name = 'acme'");
    await replica.changes.sweep();
    expect((await replica.store.find(record.keyHash)).key?.principal).toMatchObject({
      team: 'platform',
      organization: 'acme inc',
    });
  });

  it('are not undone by the answer to a question from before', async () => {
    const { keyHash } = await makeWarmKey();
    for (const isKnown of [true, false]) {
      expect(replica.store.has(keyHash)).toBe(isKnown);
      const renewing = replica.store.renew([keyHash]);
      replica.store.forget([keyHash]);
      await renewing;
      expect(replica.store.has(keyHash)).toBe(false);
    }
    await replica.store.renew([keyHash]);
    expect((await replica.store.find(keyHash)).tier).toBe('memory');
  });

  it('are found without being asked for, every second', async () => {
    const record = await makeWarmKey();
    await database.query("UPDATE api_key SET status = 'revoked', revoked_at = now() WHERE id = $1", [
      record.principal.keyId,
    ]);
    expect(await waitUntil(async () => (await statusOf(record.keyHash)) === 'revoked')).toBeLessThan(2_500);
  });

  it('make a key known that was tried before it existed', async () => {
    const slow = await startReplica({ databaseUrl: database.url, auth: { negativeTtlMs: 600_000 } });
    try {
      const order = buildOrder();
      expect((await slow.store.find(order.keyHash)).key).toBeNull();
      await replica.keys.create(order);
      await waitUntil(async () => (await slow.store.find(order.keyHash)).key !== null, 3_000);
    } finally {
      await slow.close();
    }
  });
});
