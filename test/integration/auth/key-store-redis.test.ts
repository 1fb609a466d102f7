import { Redis } from 'ioredis';
import { StoredKeyCodec } from '../../../src/auth/stored-key.codec.js';
import type { RequestContext } from '../../../src/request-context/request-context.js';
import { findFreePort } from '../../support/ports.js';
import type { TestDatabase } from '../../support/postgres.js';
import { createDatabase } from '../../support/postgres.js';
import type { TestRedis } from '../../support/redis.js';
import { describeWithOwnRedis, describeWithRedis, startOwnRedis, startRedis } from '../../support/redis.js';
import type { Replica } from './replica.js';
import { buildOrder, PEPPER, startReplica, waitUntil } from './replica.js';

describeWithRedis('keys shared through a real Redis', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let client: Redis;
  let first: Replica;
  let second: Replica;
  beforeAll(async () => {
    [database, redis] = await Promise.all([createDatabase(), startRedis()]);
    client = new Redis(redis.url);
  });
  beforeEach(async () => {
    const options = { databaseUrl: database.url, redisUrl: redis.url };
    [first, second] = await Promise.all([startReplica(options), startReplica(options)]);
    await waitUntil(() => first.redis.isAvailable && second.redis.isAvailable);
    // Both listen: what the sweep at the subscription finds is behind them.
    await Promise.all([first.changes.sweep(), second.changes.sweep()]);
  });
  afterEach(async () => {
    await Promise.all([first.close(), second.close()]);
  });
  afterAll(async () => {
    client.disconnect();
    await redis.close();
    await database.drop();
  });

  const makeWarmKey = async () => {
    for (;;) {
      const record = await first.keys.create(buildOrder());
      await first.store.find(record.keyHash);
      await first.store.writeBack(record.keyHash);
      // A sweep that comes between the two keeps what is new out of Redis for a while.
      if ((await second.shared.find(record.keyHash, Date.now())) !== null) return record;
    }
  };

  it('are found there by a replica that never saw them, budget and all', async () => {
    const record = await makeWarmKey();
    const found = await second.store.find(record.keyHash);
    expect(found.tier).toBe('redis');
    expect(found.key?.principal).toEqual(record.principal);
    expect((await second.store.find(record.keyHash)).tier).toBe('memory');
  });

  it('end on every replica within a second of their revocation', async () => {
    const record = await makeWarmKey();
    await second.store.find(record.keyHash);
    expect(await first.administration.revoke(record, null)).toEqual({ revoked: true, told: true });
    const statusOn = async (replica: Replica) => (await replica.store.find(record.keyHash)).key?.status;
    const tookMs = await waitUntil(
      async () => (await statusOn(first)) === 'revoked' && (await statusOn(second)) === 'revoked',
    );
    expect(tookMs).toBeLessThan(1_000);
  });

  it('do not come back to Redis by a write that a revocation overtook', async () => {
    const record = await makeWarmKey();
    const dated = await second.shared.find(record.keyHash, Date.now());
    expect(dated).not.toBeNull();
    await first.administration.revoke(record, null);
    if (dated !== null) await second.shared.write(record.keyHash, dated);
    expect(await second.shared.find(record.keyHash, Date.now())).toBeNull();
    expect((await second.store.find(record.keyHash)).key?.status).toBe('revoked');
  });

  it('cannot be invented, changed, moved or made young again by who can write to Redis', async () => {
    const active = await makeWarmKey();
    const entry = (await client.get(`aegis:key:${active.keyHash}`)) ?? '';
    const unknown = buildOrder().keyHash;
    const stranger = new StoredKeyCodec('a pepper that the attacker made up himself');
    const forgeries = [
      entry,
      entry.replace('"CONFIDENTIAL"', '"RESTRICTED"'),
      stranger.encode(unknown, { key: active, verifiedAtMs: Date.now() }),
      '{"status":"active"}',
      'v1..{}',
    ];
    for (const forgery of forgeries) {
      await client.set(`aegis:key:${unknown}`, forgery);
      second.store.forget([unknown]);
      expect(await second.store.find(unknown)).toEqual({ key: null, tier: 'none' });
    }
    const aged = new StoredKeyCodec(PEPPER).encode(active.keyHash, {
      key: active,
      verifiedAtMs: Date.now() - 3_600_000,
    });
    await first.administration.revoke(active, null);
    await client.set(`aegis:key:${active.keyHash}`, aged);
    second.store.forget([active.keyHash]);
    expect((await second.store.find(active.keyHash)).key?.status).toBe('revoked');
  });

  it('stay revoked where an entry from before is put back, young as it is', async () => {
    const record = await makeWarmKey();
    const entry = (await client.get(`aegis:key:${record.keyHash}`)) ?? '';
    await first.administration.revoke(record, null);
    await Promise.all([first.changes.sweep(), second.changes.sweep()]);
    await client.set(`aegis:key:${record.keyHash}`, entry);
    for (const replica of [first, second]) {
      replica.store.forget([record.keyHash]);
      expect((await replica.store.find(record.keyHash)).key?.status).toBe('revoked');
    }
    // Nor does a gateway believe it that starts now and heard of nothing.
    const third = await startReplica({ databaseUrl: database.url, redisUrl: redis.url });
    await waitUntil(() => third.redis.isAvailable);
    await third.changes.sweep();
    await client.set(`aegis:key:${record.keyHash}`, entry);
    expect((await third.store.find(record.keyHash)).key?.status).toBe('revoked');
    await third.close();
  });

  it('go on whatever anybody says on the bus, and what they have open too', async () => {
    const record = await makeWarmKey();
    const cuts: unknown[] = [];
    const context = { keyHash: record.keyHash, principal: record.principal, level: null, requestedModel: null };
    const end = second.openRequests.begin(context as RequestContext, (reason) => cuts.push(reason));
    for (const message of [record.keyHash, 'nonsense', '', '{"revoked":true}', buildOrder().keyHash]) {
      await client.publish('aegis:key-changed', message);
    }
    await waitUntil(async () => (await second.store.find(record.keyHash)).tier !== 'memory');
    expect((await second.store.find(record.keyHash)).key?.status).toBe('active');
    expect(cuts).toEqual([]);
    // The same message with a change behind it.
    await second.keys.revoke(record.principal.keyId, null);
    await client.publish('aegis:key-changed', record.keyHash);
    await waitUntil(() => cuts.length === 1);
    expect(cuts).toMatchObject([{ code: 'invalid_api_key' }]);
    end();
  });

  it('are known again after a message, without being asked for: the next outage finds them known', async () => {
    const record = await makeWarmKey();
    await second.store.find(record.keyHash);
    await first.keys.update(record.principal.keyId, () => ({ rpmLimit: 7 }));
    await first.shared.announce([record.keyHash]);
    await waitUntil(async () => {
      if (!second.store.has(record.keyHash)) return false;
      const { key, tier } = await second.store.find(record.keyHash);
      expect(tier).toBe('memory');
      return key?.principal.rpmLimit === 7;
    });
  });

  it('survive a value of another type in their place', async () => {
    const record = await first.keys.create(buildOrder());
    await client.lpush(`aegis:key:${record.keyHash}`, 'x');
    expect(await second.store.find(record.keyHash)).toMatchObject({ tier: 'database', key: { status: 'active' } });
    await second.store.writeBack(record.keyHash);
    expect(second.redis.isAvailable).toBe(true);
  });
});

describeWithOwnRedis('keys while Redis fails', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  it('are found in the database where Redis is frozen, and revocations still arrive in time', async () => {
    const redis = await startRedis();
    const auth = { cacheTtlMs: 2_000 };
    const replica = await startReplica({ databaseUrl: database.url, redisUrl: redis.url, auth });
    try {
      await waitUntil(() => replica.redis.isAvailable);
      const warm = await replica.keys.create(buildOrder());
      await replica.store.find(warm.keyHash);
      await replica.store.writeBack(warm.keyHash);
      redis.freeze();
      const cold = await replica.keys.create(buildOrder());
      expect((await replica.store.find(cold.keyHash)).tier).toBe('database');
      expect(replica.redis.health.state).toBe('degraded');
      expect(await replica.administration.revoke(warm, null)).toEqual({ revoked: true, told: false });
      const tookMs = await waitUntil(async () => (await replica.store.find(warm.keyHash)).key?.status === 'revoked');
      expect(tookMs).toBeLessThan(2_000 + 500);
      // Redis still holds the old entry: nobody may believe it when it is back.
      redis.thaw();
      await waitUntil(() => replica.redis.isAvailable);
      await waitUntil(async () => (await replica.shared.find(warm.keyHash, Date.now())) === null);
      replica.store.forget([warm.keyHash]);
      expect((await replica.store.find(warm.keyHash)).key?.status).toBe('revoked');
    } finally {
      await replica.close();
      await redis.close();
    }
  });

  it('are served from the start without Redis, which joins when it comes', async () => {
    const port = await findFreePort();
    const replica = await startReplica({ databaseUrl: database.url, redisUrl: `redis://127.0.0.1:${port}` });
    let redis: TestRedis | undefined;
    try {
      const record = await replica.keys.create(buildOrder());
      expect((await replica.store.find(record.keyHash)).tier).toBe('database');
      expect(replica.redis.health).toMatchObject({
        state: 'degraded',
        reason: expect.stringContaining('ECONNREFUSED'),
      });
      redis = await startOwnRedis(port);
      await waitUntil(() => replica.redis.health.state === 'healthy');
    } finally {
      await replica.close();
      await redis?.close();
    }
  });
});
