import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { LimitDemand } from '../../../src/accounting/limits/limit-store.js';
import { RedisLimitStore } from '../../../src/accounting/limits/redis-limit.store.js';
import { UnsettledQueue } from '../../../src/accounting/limits/unsettled-queue.js';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { findFreePort } from '../../support/ports.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithOwnRedis, startOwnRedis, type TestRedis } from '../../support/redis.js';
import { TcpFaultProxy } from '../../support/tcp-fault-proxy.js';
import { type LimitReplica, recordUse, startLimitReplica, until } from './limit-replica.js';

const CENT = 10_000_000n;

describeWithOwnRedis('what Redis did not hear of, or forgot', () => {
  let database: TestDatabase;
  let server: TestRedis;
  let admin: Redis;
  let replica: LimitReplica;
  let keyId: string;

  beforeAll(async () => {
    database = await createDatabase();
    server = await startOwnRedis(await findFreePort());
    admin = new Redis(server.url);
    replica = await startLimitReplica(database.url, server.url);
    await until(() => replica.redis.isAvailable);
  });
  afterAll(async () => {
    await replica.close();
    admin.disconnect();
    await server.close();
    await database.drop();
  });
  beforeEach(async () => {
    keyId = randomUUID();
    await until(() => replica.redis.isAvailable);
  });

  const demandOf = (limitNanoUsd: bigint): LimitDemand =>
    makeDemand({ keyId, budgets: [makeBudget(limitNanoUsd, { subject: keyId, estimateNanoUsd: CENT })] });

  async function spend(costNanoUsd: bigint): Promise<string> {
    const outcome = await replica.reserve(demandOf(100n * CENT));
    if (outcome.kind === 'admitted') outcome.grant.settle({ tokens: 0, costNanoUsd });
    return outcome.kind;
  }

  /** What the counter in Redis has come to. */
  async function readSpent(): Promise<bigint> {
    const outcome = await replica.reserve(demandOf(1_000n * CENT));
    if (outcome.kind !== 'admitted') throw new Error(`not admitted: ${outcome.kind}`);
    outcome.grant.refund();
    return outcome.grant.figures?.budgets[0]?.spentNanoUsd ?? -1n;
  }

  const refuse = (): Promise<unknown> => admin.config('SET', 'min-replicas-to-write', '1');
  const accept = (): Promise<unknown> => admin.config('SET', 'min-replicas-to-write', '0');

  it('is told ahead of the first request that asks it again', async () => {
    await spend(CENT);
    await refuse();
    expect(await spend(99n * CENT)).toBe('admitted');
    await until(async () => (await spend(CENT)) === 'spent');
    await accept();
    expect(await spend(CENT)).toBe('spent');
  });

  describe('is kept', () => {
    let queue: UnsettledQueue;
    beforeEach(() => {
      queue = new UnsettledQueue(new RedisLimitStore(replica.redis), () => undefined, 10);
    });

    it('as a few sums, however often Redis refused to hear them', async () => {
      await refuse();
      for (let round = 0; round < 20; round += 1) {
        queue.charge(demandOf(100n * CENT), CENT, Date.now());
        await queue.catchUp();
      }
      await accept();
      await until(async () => {
        await queue.catchUp();
        return (await readSpent()) === 20n * CENT;
      });
      const amounts = await admin.keys(`*${keyId}*:amounts`);
      const told = await admin.hkeys(amounts[0] ?? '');
      expect(told.filter((name) => name.startsWith('late:')).length).toBeLessThanOrEqual(2);
    });

    it('until it is told, also by who asks while somebody tells it', async () => {
      for (let sum = 0; sum < 200; sum += 1) {
        const budget = makeBudget(CENT, { subject: `${keyId}-${sum}` });
        queue.charge(makeDemand({ keyId, budgets: [budget] }), CENT, Date.now());
      }
      void queue.catchUp();
      await queue.catchUp();
      const names = await admin.keys(`*${keyId}-*:budget`);
      expect(names).toHaveLength(200);
    });

    it('however many requests that cost nothing ended after it', async () => {
      const demand = demandOf(100n * CENT);
      queue.add({ demand, second: 0, epochs: [''] }, { tokens: 0, costNanoUsd: CENT });
      for (let more = 0; more < 11; more += 1) queue.release(makeDemand());
      await until(async () => {
        await queue.catchUp();
        return (await readSpent()) === CENT;
      });
    });
  });

  it('is remembered where a Redis that lagged behind took the place of the one that counted', async () => {
    await spend(2n * CENT);
    await until(async () => (await readSpent()) === 2n * CENT);
    const lagging = new Map<string, Buffer>();
    for (const name of await admin.keys(`*${keyId}*`)) {
      // A counter whose window ends meanwhile has expired.
      const copy: Buffer | null = await admin.dumpBuffer(name);
      if (copy !== null) lagging.set(name, copy);
    }
    await spend(3n * CENT);
    await until(async () => (await readSpent()) === 5n * CENT);
    for (const [name, copy] of lagging) await admin.restore(name, 0, copy, 'REPLACE');
    expect(await readSpent()).toBe(5n * CENT);
    await spend(CENT);
    await until(async () => (await readSpent()) === 6n * CENT);
  });

  describe('while PostgreSQL is away, too', () => {
    let proxy: TcpFaultProxy;
    let lonely: LimitReplica;
    beforeAll(async () => {
      const url = new URL(database.url);
      proxy = (await TcpFaultProxy.start(Number(url.port))).poison({ refuse: true });
      url.host = new URL(proxy.url).host;
      lonely = await startLimitReplica(url.toString(), server.url);
      await until(() => lonely.redis.isAvailable);
    });
    afterAll(async () => {
      await lonely.close();
      await proxy.close();
    });

    async function spendAlone(costNanoUsd: bigint): Promise<string> {
      const outcome = await lonely.reserve(demandOf(100n * CENT));
      if (outcome.kind === 'admitted') outcome.grant.settle({ tokens: 0, costNanoUsd });
      return outcome.kind;
    }

    it('is remembered by who spent it, be it all that is known', async () => {
      await spendAlone(100n * CENT);
      await until(async () => (await spendAlone(CENT)) === 'spent');
      await admin.flushall();
      expect(await spendAlone(CENT)).toBe('spent');
      server.freeze();
      expect(await spendAlone(CENT)).toBe('spent');
      server.thaw();
      await until(() => replica.redis.isAvailable && lonely.redis.isAvailable);
    });

    it('is counted once, though the ledger is asked only after it knows what ended meanwhile', async () => {
      const beganMs = Date.now() - 1_000;
      await spendAlone(7n * CENT);
      await recordUse(database, keyId, 7n * CENT, new Date(beganMs), 2_000);
      await recordUse(database, keyId, 5n * CENT, new Date(beganMs), 10);
      proxy.poison({});
      // The ledger was told of both: the one that ended before the counter began is news to it.
      await until(async () => {
        const outcome = await lonely.reserve(demandOf(100n * CENT));
        if (outcome.kind === 'admitted') outcome.grant.refund();
        return outcome.kind === 'admitted' && outcome.grant.figures?.budgets[0]?.isSeeded === true;
      });
      expect(await readSpent()).toBe(12n * CENT);
    });
  });
});
