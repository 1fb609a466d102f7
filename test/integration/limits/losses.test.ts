import { randomUUID } from 'node:crypto';
import type { LimitDemand } from '../../../src/accounting/limits/limit-store.js';
import { RedisLimitStore } from '../../../src/accounting/limits/redis-limit.store.js';
import { UnsettledQueue } from '../../../src/accounting/limits/unsettled-queue.js';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithOwnRedis, findFreePort, startOwnRedis, type TestRedis } from '../../support/redis.js';
import { type LimitReplica, startLimitReplica, until } from './limit-replica.js';

const CENT = 10_000_000n;

describeWithOwnRedis('what Redis did not hear of, or forgot', () => {
  let database: TestDatabase;
  let server: TestRedis;
  let replica: LimitReplica;
  let keyId: string;

  beforeAll(async () => {
    database = await createDatabase();
    server = await startOwnRedis(await findFreePort());
    replica = await startLimitReplica(database.url, server.url);
    await until(() => replica.redis.isAvailable);
  });
  afterAll(async () => {
    await replica.close();
    await server.close();
    await database.drop();
  });
  beforeEach(() => {
    keyId = randomUUID();
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

  const refuse = (): Promise<unknown> =>
    replica.redis.run((client) => client.config('SET', 'min-replicas-to-write', '1'));
  const accept = (): Promise<unknown> =>
    replica.redis.run((client) => client.config('SET', 'min-replicas-to-write', '0'));

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
      queue = new UnsettledQueue(new RedisLimitStore(replica.redis));
    });

    it('as a few sums, however often Redis refused to hear them', async () => {
      await refuse();
      for (let round = 0; round < 20; round += 1) {
        queue.charge(demandOf(100n * CENT), CENT, Date.now());
        await queue.catchUp();
      }
      await accept();
      await queue.catchUp();
      expect(await readSpent()).toBe(20n * CENT);
      const amounts = await replica.redis.run((client) => client.keys(`*${keyId}*:amounts`));
      const told = await replica.redis.run((client) => client.hkeys(amounts[0] ?? ''));
      expect(told.filter((name) => name.startsWith('late:')).length).toBeLessThanOrEqual(2);
    });

    it('until it is told, also by who asks while somebody tells it', async () => {
      for (let sum = 0; sum < 200; sum += 1) {
        const budget = makeBudget(CENT, { subject: `${keyId}-${sum}` });
        queue.charge(makeDemand({ keyId, budgets: [budget] }), CENT, Date.now());
      }
      void queue.catchUp();
      await queue.catchUp();
      const names = await replica.redis.run((client) => client.keys(`*${keyId}-*:budget`));
      expect(names).toHaveLength(200);
    });

    it('however many requests that cost nothing ended after it', async () => {
      const demand = demandOf(100n * CENT);
      queue.add({ demand, second: 0, epochs: [''] }, { tokens: 0, costNanoUsd: CENT });
      for (let more = 0; more < 20_001; more += 1) queue.release(makeDemand());
      await queue.catchUp();
      expect(await readSpent()).toBe(CENT);
    });
  });
});
