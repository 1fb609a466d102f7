import { deserialize, serialize } from 'node:v8';
import { Logger } from '@nestjs/common';
import { BudgetSeeder } from '../../../src/accounting/limits/budget-seeder.js';
import type { KnownSpending, LimitStore, ReserveOutcome } from '../../../src/accounting/limits/limit-store.js';
import { LimiterService } from '../../../src/accounting/limits/limiter.service.js';
import { LocalLimitStore } from '../../../src/accounting/limits/local-limit.store.js';
import { answerLimitCall, PrimaryLimitStore } from '../../../src/accounting/limits/primary-limit.store.js';
import { RedisLimitStore } from '../../../src/accounting/limits/redis-limit.store.js';
import { SpendingRepository } from '../../../src/accounting/limits/spending.repository.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { RedisService } from '../../../src/redis/redis.service.js';
import { buildRedisSettings } from '../../../src/redis/redis-settings.js';
import type { PrimaryLink } from '../../../src/workers/primary-link.js';
import type { WorkerRole } from '../../../src/workers/worker-role.js';
import { getReservation, makeBudget, makeDemand, makeKnown } from '../../support/limit-demands.js';
import { describeWithRedis, startRedis, type TestRedis } from '../../support/redis.js';

Logger.overrideLogger(false);

/** What the ledger says of the time before the counter's life that an outcome tells of. */
function saysLedger({ figures }: ReserveOutcome, spentNanoUsd: bigint): KnownSpending {
  return makeKnown(spentNanoUsd, figures.budgets[0]?.epoch);
}

/** What every store promises; their own tests add what time and outages do to each. */
function describeLimitStore(start: () => Promise<{ store: LimitStore; close(): Promise<void> }>): void {
  let store: LimitStore;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ store, close } = await start());
  });
  afterEach(() => close());

  const reserve = (
    changes: Parameters<typeof makeDemand>[0],
    known: (KnownSpending | null)[] = [makeKnown(0n), makeKnown(0n), makeKnown(0n)],
  ) => store.reserve(makeDemand(changes), known);

  it('admits as many requests as the limit says, and says when the next one fits', async () => {
    for (let sent = 1; sent <= 3; sent += 1) {
      const outcome = await reserve({ requestLimit: 3 });
      expect(outcome.kind).toBe('admitted');
      expect(outcome.figures.requests.used).toBe(sent);
      expect(outcome.figures.requests.resetMs).toBeGreaterThan(55_000);
    }
    const refused = await reserve({ requestLimit: 3 });
    expect(refused).toMatchObject({ kind: 'refused', by: 'requests', figures: { requests: { used: 3 } } });
    const pauseMs = refused.kind === 'refused' ? refused.retryAfterMs : null;
    expect(pauseMs).toBeGreaterThan(50_000);
    expect(pauseMs).toBeLessThanOrEqual(61_000);
  });

  it('counts each key by itself', async () => {
    expect((await reserve({ requestLimit: 1, keyId: 'one' })).kind).toBe('admitted');
    expect((await reserve({ requestLimit: 1, keyId: 'two' })).kind).toBe('admitted');
    expect((await reserve({ requestLimit: 1, keyId: 'one' })).kind).toBe('refused');
  });

  it('counts tokens as estimated, and as used once that is known', async () => {
    const first = getReservation(await reserve({ tokenLimit: 1_000, tokens: 800 }));
    expect(await reserve({ tokenLimit: 1_000, tokens: 300 })).toMatchObject({ kind: 'refused', by: 'tokens' });
    await store.settle(first, { tokens: 100, costNanoUsd: 0n });
    const second = await reserve({ tokenLimit: 1_000, tokens: 300 });
    expect(second).toMatchObject({ kind: 'admitted', figures: { tokens: { used: 400 } } });
    await store.settle(getReservation(second), { tokens: 950, costNanoUsd: 0n });
    const third = await reserve({ tokenLimit: 1_000, tokens: 1 });
    expect(third).toMatchObject({ kind: 'refused', by: 'tokens', figures: { tokens: { used: 1_050 } } });
  });

  it('says that a request that is larger than the limit never fits', async () => {
    const outcome = await reserve({ tokenLimit: 1_000, tokens: 1_001 });
    expect(outcome).toMatchObject({ kind: 'refused', by: 'tokens', retryAfterMs: null });
  });

  it('holds a place for each request under way, and frees it once', async () => {
    const first = getReservation(await reserve({ parallelLimit: 2 }));
    await reserve({ parallelLimit: 2 });
    expect(await reserve({ parallelLimit: 2 })).toMatchObject({ kind: 'refused', by: 'parallel' });
    await store.settle(first, { tokens: 0, costNanoUsd: 0n });
    await store.settle(first, { tokens: 0, costNanoUsd: 0n });
    expect((await reserve({ parallelLimit: 2 })).kind).toBe('admitted');
    expect((await reserve({ parallelLimit: 2 })).kind).toBe('refused');
  });

  it('takes nothing of any limit where one of them refuses', async () => {
    const budgets = [makeBudget(100n, { estimateNanoUsd: 60n })];
    getReservation(await reserve({ parallelLimit: 1 }));
    const refused = { requestLimit: 5, tokenLimit: 50, parallelLimit: 1, tokens: 50, budgets };
    expect((await reserve(refused)).kind).toBe('refused');
    const outcome = await reserve({ ...refused, parallelLimit: 2 });
    expect(outcome).toMatchObject({ kind: 'admitted', figures: { requests: { used: 1 }, tokens: { used: 50 } } });
  });

  it('gives everything back for a refund', async () => {
    const demand = {
      requestLimit: 1,
      tokenLimit: 10,
      parallelLimit: 1,
      tokens: 10,
      budgets: [makeBudget(10n, { estimateNanoUsd: 10n })],
    };
    const first = getReservation(await reserve(demand));
    await store.refund(first);
    await store.refund(first);
    const second = await reserve(demand);
    expect(second).toMatchObject({ kind: 'admitted', figures: { requests: { used: 1 }, tokens: { used: 10 } } });
    expect(second.figures.budgets[0]?.spentNanoUsd).toBe(0n);
  });

  it('grants a reservation once, however often it is asked for by the same id', async () => {
    const demand = makeDemand({ requestLimit: 5, budgets: [makeBudget(100n, { estimateNanoUsd: 40n })] });
    await store.reserve(demand, [makeKnown(0n)]);
    const again = await store.reserve(demand, [makeKnown(0n)]);
    expect(again).toMatchObject({ kind: 'admitted', figures: { requests: { used: 1 } } });
    await store.settle(getReservation(again), { tokens: 0, costNanoUsd: 90n });
    expect((await reserve({ budgets: [makeBudget(100n)] })).figures.budgets[0]?.spentNanoUsd).toBe(90n);
  });

  it('admits while money is neither spent nor reserved, waits for what is reserved, and refuses what is spent', async () => {
    const budgets = [makeBudget(100n, { estimateNanoUsd: 60n })];
    const first = getReservation(await reserve({ budgets }));
    const second = getReservation(await reserve({ budgets }));
    expect(await reserve({ budgets })).toMatchObject({ kind: 'reserved', budget: 0 });
    const [afterFirst] = await store.settle(first, { tokens: 0, costNanoUsd: 30n });
    expect(afterFirst?.spentNanoUsd).toBe(30n);
    const third = getReservation(await reserve({ budgets }));
    await store.settle(second, { tokens: 0, costNanoUsd: 60n });
    await store.settle(third, { tokens: 0, costNanoUsd: 60n });
    await store.settle(third, { tokens: 0, costNanoUsd: 60n });
    const spent = await reserve({ budgets });
    expect(spent).toMatchObject({ kind: 'spent', budget: 0, figures: { budgets: [{ spentNanoUsd: 150n }] } });
  });

  it('says which of several budgets is spent, and draws on all of them', async () => {
    const budgets = [
      makeBudget(1_000n),
      makeBudget(50n, { scope: 'team', subject: 'core' }),
      makeBudget(2_000n, { scope: 'organization', subject: 'acme' }),
    ];
    const first = getReservation(await reserve({ budgets }));
    await store.settle(first, { tokens: 0, costNanoUsd: 70n });
    const outcome = await reserve({ budgets, keyId: 'key-2' });
    expect(outcome).toMatchObject({ kind: 'spent', budget: 1 });
    expect(outcome.figures.budgets.map(({ spentNanoUsd }) => spentNanoUsd)).toEqual([70n, 70n, 70n]);
  });

  it('keeps windows and owners apart, whatever they are called', async () => {
    const budget = makeBudget(100n);
    const spend = async (changes: object) =>
      store.settle(getReservation(await reserve({ budgets: [{ ...budget, ...changes }] })), {
        tokens: 0,
        costNanoUsd: 10n,
      });
    const owners = [
      {},
      { scope: 'team', subject: 'a:b}' },
      { scope: 'team', subject: 'a%3Ab%7D' },
      { startMs: budget.endMs, endMs: budget.endMs + 86_400_000 },
      { startMs: Date.UTC(2026, 0, 1), endMs: Date.UTC(2026, 1, 1) },
      { startMs: Date.UTC(2026, 0, 1), endMs: Date.UTC(2026, 0, 2) },
    ];
    for (const owner of owners) expect((await spend(owner))[0]?.spentNanoUsd).toBe(10n);
  });

  it('asks to be told what was spent where nobody knows, and keeps the larger of what it is told and knows', async () => {
    const demand = makeDemand({ budgets: [makeBudget(100n)] });
    const asked = await store.reserve(demand, [null]);
    expect(asked.kind).toBe('unseeded');
    expect(await store.seed(demand, 0, saysLedger(asked, 40n))).toMatchObject({ spentNanoUsd: 40n, isSeeded: true });
    // The ledger lags: what it says later changes nothing.
    expect(await store.seed(demand, 0, saysLedger(asked, 90n))).toMatchObject({ spentNanoUsd: 40n, isSeeded: true });
    const outcome = await store.reserve(demand, [null]);
    expect(outcome).toMatchObject({ kind: 'admitted', figures: { budgets: [{ spentNanoUsd: 40n, isSeeded: true }] } });
  });

  it('goes on with what was last known until it is seeded, and counts nothing twice', async () => {
    const demand = makeDemand({ budgets: [makeBudget(100n)] });
    const outcome = await store.reserve(demand, [makeKnown(30n)]);
    expect(outcome).toMatchObject({ kind: 'admitted', figures: { budgets: [{ spentNanoUsd: 30n, isSeeded: false }] } });
    await store.settle(getReservation(outcome), { tokens: 0, costNanoUsd: 5n });
    // The larger of what was known and what the ledger says of the time before, and what was spent since.
    expect(await store.seed(demand, 0, saysLedger(outcome, 32n))).toMatchObject({ spentNanoUsd: 37n, isSeeded: true });
  });

  it('adds money up exactly beyond what a floating-point number holds', async () => {
    const huge = 9_007_199_254_740_993n;
    const budgets = [makeBudget(4n * huge)];
    const outcome = await reserve({ budgets });
    await store.seed(makeDemand({ budgets }), 0, saysLedger(outcome, huge));
    const reservation = getReservation(outcome);
    const [figures] = await store.settle(reservation, { tokens: 0, costNanoUsd: 1n });
    expect(figures?.spentNanoUsd).toBe(huge + 1n);
  });

  it('lets 200 requests at once take no more than there is', async () => {
    const demand = { requestLimit: 50, budgets: [makeBudget(1_000n, { estimateNanoUsd: 10n })] };
    const outcomes = await Promise.all(Array.from({ length: 200 }, () => reserve(demand)));
    expect(outcomes.filter(({ kind }) => kind === 'admitted')).toHaveLength(50);
  });
}

describe('limits counted in process', () => {
  describeLimitStore(async () => ({ store: new LocalLimitStore(), close: async () => undefined }));
});

describe('limits counted in the primary of several workers', () => {
  /** What a message between two processes does to what it carries. */
  const send = (value: unknown): unknown => deserialize(serialize(value));

  describeLimitStore(async () => {
    const counted = new LocalLimitStore();
    const ask = async (_room: string, question: unknown): Promise<unknown> =>
      send(await answerLimitCall(counted, send(question)));
    return { store: new PrimaryLimitStore({ ask }), close: async () => undefined };
  });

  it('go on from the most that a worker knows to be spent, also where they were told before', async () => {
    const counted = new LocalLimitStore();
    const store = new PrimaryLimitStore({ ask: (_room, question) => answerLimitCall(counted, question) });
    const demand = () => makeDemand({ budgets: [makeBudget(100n)] });
    const first = getReservation(await store.reserve(demand(), [makeKnown(10n)]));
    await store.seed(first.demand, 0, makeKnown(10n));
    expect((await store.reserve(demand(), [makeKnown(100n)])).kind).toBe('spent');
    expect((await store.reserve(demand(), [null])).kind).toBe('spent');
  });

  it('are given back where the answer that granted them came too late', async () => {
    const counted = new LocalLimitStore();
    let isLate = true;
    const primary = {
      ask: async (_room: string, question: unknown) => {
        const answer = await answerLimitCall(counted, question);
        if (isLate) throw new Error('the primary process does not answer');
        return answer;
      },
    };
    const redis = new RedisLimitStore(new RedisService(buildRedisSettings({ url: '' })));
    const database = new DatabaseService(buildDatabaseSettings({ url: 'postgres://127.0.0.1:1/none' }));
    const seeder = new BudgetSeeder(new SpendingRepository(database));
    const limiter = new LimiterService(redis, new LocalLimitStore(), seeder, undefined, {
      primary: primary as PrimaryLink,
    } as WorkerRole);
    const ask = () => limiter.reserve(makeDemand({ parallelLimit: 1 }), 'local', new AbortController().signal);
    expect((await ask()).kind).toBe('closed');
    isLate = false;
    expect((await ask()).kind).toBe('admitted');
  });
});

describeWithRedis('limits counted in Redis', () => {
  let server: TestRedis;
  let redis: RedisService;
  beforeAll(async () => {
    server = await startRedis();
    redis = new RedisService(buildRedisSettings({ url: server.url }));
    await redis.onModuleInit();
  });
  afterAll(async () => {
    redis.onApplicationShutdown();
    await server.close();
  });
  describeLimitStore(async () => {
    await redis.run((client) => client.flushdb());
    return { store: new RedisLimitStore(redis), close: async () => undefined };
  });

  describe('that loses everything', () => {
    const demand = () => makeDemand({ budgets: [makeBudget(100n)] });
    let store: RedisLimitStore;
    beforeEach(async () => {
      store = new RedisLimitStore(redis);
      await redis.run((client) => client.flushdb());
    });
    const lose = (): Promise<unknown> => redis.run((client) => client.flushdb());
    const spend = async (costNanoUsd: bigint, known: KnownSpending | null): Promise<KnownSpending> => {
      const outcome = await store.reserve(demand(), [known]);
      const [figures] = await store.settle(getReservation(outcome), { tokens: 0, costNanoUsd });
      return makeKnown(figures?.spentNanoUsd ?? 0n, figures?.epoch);
    };

    it('is not told what the ledger said of the life before: what was spent since would be forgotten', async () => {
      const asked = await store.reserve(demand(), [null]);
      const known = await spend(60n, makeKnown(0n));
      await lose();
      // The ledger was asked before, and answers only now.
      expect(await store.seed(demand(), 0, saysLedger(asked, 0n))).toMatchObject({ isSeeded: false });
      expect((await store.reserve(demand(), [known])).figures.budgets[0]?.spentNanoUsd).toBe(60n);
      await lose();
      await store.reserve(demand(), [known]);
      expect(await store.seed(demand(), 0, saysLedger(asked, 0n))).toMatchObject({
        spentNanoUsd: 60n,
        isSeeded: false,
      });
    });

    it('learns from whoever knows most, also from one who asks after the ledger has told what it had', async () => {
      const idle = await spend(10n, makeKnown(0n));
      const busy = await spend(60n, idle);
      await lose();
      const after = await store.reserve(demand(), [idle]);
      await store.seed(demand(), 0, saysLedger(after, 30n));
      expect((await spend(5n, idle)).spentNanoUsd).toBe(35n);
      expect((await store.reserve(demand(), [busy])).figures.budgets[0]?.spentNanoUsd).toBe(75n);
    });

    it('counts nothing twice of what is known of this life', async () => {
      const known = await spend(10n, makeKnown(0n));
      await spend(10n, known);
      const last = await spend(10n, await spend(10n, known));
      expect(last.spentNanoUsd).toBe(40n);
    });
  });
});
