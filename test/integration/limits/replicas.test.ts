import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { LimitDemand } from '../../../src/accounting/limits/limit-store.js';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { findFreePort } from '../../support/ports.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithOwnRedis, startOwnRedis, type TestRedis } from '../../support/redis.js';
import { type LimitReplica, recordUse, startLimitReplica, until } from './limit-replica.js';

const CENT = 10_000_000n;

describeWithOwnRedis('limits over three replicas', () => {
  let database: TestDatabase;
  let port: number;
  let server: TestRedis;
  let replicas: LimitReplica[];
  let keyId: string;

  beforeAll(async () => {
    database = await createDatabase();
    port = await findFreePort();
    server = await startOwnRedis(port);
    replicas = await Promise.all([1, 2, 3].map(() => startLimitReplica(database.url, server.url)));
    await until(() => replicas.every(({ redis }) => redis.isAvailable));
  });
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
    await server.close();
    await database.drop();
  });
  beforeEach(() => {
    keyId = randomUUID();
  });

  const demandOf = (changes: Partial<LimitDemand> = {}): LimitDemand => makeDemand({ keyId, ...changes });
  const budgetOf = (limitNanoUsd: bigint, estimateNanoUsd = CENT) =>
    makeBudget(limitNanoUsd, { subject: keyId, estimateNanoUsd });
  const replicaOf = (index: number): LimitReplica => replicas[index % replicas.length] as LimitReplica;

  /** Holds a place for a while, costs what it says, and says how it went. */
  async function spend(
    replica: LimitReplica,
    demand: LimitDemand,
    { costNanoUsd = CENT, holdMs = 1 } = {},
  ): Promise<string> {
    const outcome = await replica.reserve(demand);
    if (outcome.kind !== 'admitted') return outcome.kind;
    await delay(holdMs);
    outcome.grant.settle({ tokens: demand.tokens, costNanoUsd });
    return 'admitted';
  }

  it('admit together what the limit says, whoever asks', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 600 }, (_, index) =>
        replicaOf(index).reserve(demandOf({ requestLimit: 100, tokenLimit: 900, tokens: 10 })),
      ),
    );
    expect(outcomes.filter(({ kind }) => kind === 'admitted')).toHaveLength(90);
    expect(
      new Set(outcomes.filter(({ kind }) => kind !== 'admitted').map((outcome) => 'by' in outcome && outcome.by)),
    ).toEqual(new Set(['tokens']));
  });

  it('hold places together, and free them whichever replica they were taken on', async () => {
    let [underWay, most] = [0, 0];
    const request = async (index: number): Promise<boolean> => {
      const outcome = await replicaOf(index).reserve(demandOf({ parallelLimit: 7 }));
      if (outcome.kind !== 'admitted') return false;
      most = Math.max(most, ++underWay);
      await delay(5);
      underWay -= 1;
      outcome.grant.settle({ tokens: 0, costNanoUsd: 0n });
      return true;
    };
    let served = 0;
    for (let round = 0; served < 100; round += 1) {
      const results = await Promise.all(Array.from({ length: 30 }, (_, index) => request(round + index)));
      served += results.filter(Boolean).length;
    }
    expect(most).toBeLessThanOrEqual(7);
  });

  it('spend a budget for exactly 1,000 requests on exactly 1,000, and refuse none of them', async () => {
    const limitNanoUsd = 1_000n * CENT;
    let [sent, admitted, refusedEarly] = [0, 0, 0];
    const client = async (replica: LimitReplica): Promise<void> => {
      while (sent < 1_300) {
        sent += 1;
        // Set aside is five times what it costs: what is left is held by those under way long before it is spent.
        const kind = await spend(replica, demandOf({ budgets: [budgetOf(limitNanoUsd, 5n * CENT)] }));
        if (kind === 'admitted') admitted += 1;
        else if (admitted < 1_000) refusedEarly += 1;
      }
    };
    await Promise.all(Array.from({ length: 600 }, (_, index) => client(replicaOf(index))));
    expect({ admitted, refusedEarly }).toEqual({ admitted: 1_000, refusedEarly: 0 });
  });

  it('overspend by less than one request, whatever the estimates were', async () => {
    const limitNanoUsd = 100n * CENT;
    let spentNanoUsd = 0n;
    const client = async (index: number): Promise<void> => {
      for (let kind = 'admitted'; kind === 'admitted'; ) {
        const costNanoUsd = BigInt(1 + ((index * 7 + Number(spentNanoUsd % 5n)) % 3)) * CENT;
        kind = await spend(replicaOf(index), demandOf({ budgets: [budgetOf(limitNanoUsd, 3n * CENT)] }), {
          costNanoUsd,
        });
        if (kind === 'admitted') spentNanoUsd += costNanoUsd;
      }
    };
    await Promise.all(Array.from({ length: 60 }, (_, index) => client(index)));
    expect(spentNanoUsd).toBeGreaterThanOrEqual(limitNanoUsd);
    expect(spentNanoUsd).toBeLessThan(limitNanoUsd + 3n * CENT);
  });

  it('learn from the ledger what was spent in this window before there was a counter', async () => {
    await recordUse(database, keyId, 30n * CENT);
    await recordUse(database, keyId, 500n * CENT, new Date(Date.now() - 3 * 86_400_000));
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        replicaOf(index).reserve(demandOf({ budgets: [budgetOf(100n * CENT)] })),
      ),
    );
    const figures = outcomes.map((outcome) =>
      outcome.kind === 'admitted' ? outcome.grant.figures?.budgets[0]?.spentNanoUsd : outcome.kind,
    );
    expect(new Set(figures)).toEqual(new Set([30n * CENT]));
  });

  it('know what was spent after Redis lost everything, once, and count what was under way then', async () => {
    const budgets = [budgetOf(100n * CENT)];
    await spend(replicaOf(0), demandOf({ budgets }), { costNanoUsd: 40n * CENT });
    await recordUse(database, keyId, 40n * CENT);
    const underWay = await replicaOf(1).reserve(demandOf({ budgets }));
    await replicaOf(0).redis.run((client) => client.flushall());
    const kinds = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((index) => spend(replicaOf(index), demandOf({ budgets }), { costNanoUsd: 5n * CENT })),
    );
    expect(kinds).toEqual(Array(6).fill('admitted'));
    if (underWay.kind === 'admitted') underWay.grant.settle({ tokens: 0, costNanoUsd: 7n * CENT });
    const spentNanoUsd = async (): Promise<bigint | undefined> => {
      const outcome = await replicaOf(2).reserve(demandOf({ budgets }));
      if (outcome.kind !== 'admitted') return undefined;
      outcome.grant.refund();
      const [figures] = outcome.grant.figures?.budgets ?? [];
      return figures?.isSeeded ? figures.spentNanoUsd : undefined;
    };
    await until(async () => (await spentNanoUsd()) === 77n * CENT);
  });

  it('wait for what the ledger says of the counter there is, not of one that was lost meanwhile', async () => {
    const budgets = [budgetOf(100n * CENT)];
    await recordUse(database, keyId, 100n * CENT);
    const counters = (): Promise<string[]> => replicaOf(0).redis.run((client) => client.keys(`*${keyId}*:budget`));
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE usage_request IN ACCESS EXCLUSIVE MODE');
    const early = replicaOf(0).reserve(demandOf({ budgets }));
    await until(async () => (await counters()).length > 0);
    await replicaOf(0).redis.run((client) => client.flushall());
    const late = replicaOf(0).reserve(demandOf({ budgets }));
    await until(async () => (await counters()).length > 0);
    await holder.query('COMMIT');
    await holder.end();
    expect((await late).kind).toBe('spent');
    await early;
    expect((await replicaOf(1).reserve(demandOf({ budgets }))).kind).toBe('spent');
  });

  it('go on from what they last knew where the ledger has not been told yet', async () => {
    const budgets = [budgetOf(100n * CENT)];
    await spend(replicaOf(0), demandOf({ budgets }), { costNanoUsd: 60n * CENT });
    const askSpent = async (): Promise<bigint | undefined> => {
      const asked = await replicaOf(1).reserve(demandOf({ budgets }));
      if (asked.kind === 'admitted') asked.grant.refund();
      return asked.kind === 'admitted' ? asked.grant.figures?.budgets[0]?.spentNanoUsd : undefined;
    };
    // It hears of what another replica spent from the answer to its own question.
    await until(async () => (await askSpent()) === 60n * CENT);
    const outcome = await replicaOf(1).reserve(demandOf({ budgets }));
    await replicaOf(0).redis.run((client) => client.flushall());
    const after = await replicaOf(1).reserve(demandOf({ budgets }));
    expect(after.kind === 'admitted' && after.grant.figures?.budgets[0]?.spentNanoUsd).toBe(60n * CENT);
    if (outcome.kind === 'admitted') outcome.grant.settle({ tokens: 0, costNanoUsd: 40n * CENT });
    await until(async () => (await replicaOf(2).reserve(demandOf({ budgets }))).kind === 'spent');
  });

  it('count a second until it lies wholly a minute back, by the clock of Redis', async () => {
    const limited = () => demandOf({ requestLimit: 2, tokenLimit: 100, tokens: 10 });
    await replicaOf(0).reserve(limited());
    await age(keyId, 30);
    await replicaOf(1).reserve(limited());
    const refused = await replicaOf(2).reserve(limited());
    const pauseMs = refused.kind === 'refused' ? (refused.retryAfterMs ?? 0) : 0;
    expect(pauseMs).toBeGreaterThan(25_000);
    expect(pauseMs).toBeLessThanOrEqual(31_000);
    await age(keyId, 29);
    expect((await replicaOf(0).reserve(limited())).kind).toBe('refused');
    await age(keyId, 2);
    const next = await replicaOf(0).reserve(limited());
    expect(next.kind === 'admitted' && next.grant.figures).toMatchObject({
      requests: { used: 2 },
      tokens: { used: 20 },
    });
    await age(keyId, 1_000);
    const idle = await replicaOf(0).reserve(limited());
    expect(idle.kind === 'admitted' && idle.grant.figures).toMatchObject({
      requests: { used: 1 },
      tokens: { used: 10 },
    });
  });

  /** Moves what was counted for a key back in time. */
  async function age(id: string, seconds: number): Promise<void> {
    await replicaOf(0).redis.run(async (client) => {
      for (const name of await client.keys(`*:key:${id}:*s`)) {
        if ((await client.type(name)) !== 'hash') continue;
        const entries = Object.entries(await client.hgetall(name));
        await client.del(name);
        const moved = entries.map(([field, value]) => {
          if (field === 't') return [field, value];
          return field === 'h' || field === 'n' ? [field, Number(value) - seconds] : [Number(field) - seconds, value];
        });
        await client.hset(name, ...moved.flat());
      }
    });
  }

  it('go on in each process while Redis is frozen, and together again once it answers', async () => {
    const demand = () => demandOf({ requestLimit: 5, budgets: [budgetOf(100n * CENT)] });
    await spend(replicaOf(0), demand(), { costNanoUsd: 10n * CENT });
    server.freeze();
    const frozen = await Promise.all(Array.from({ length: 30 }, (_, index) => spend(replicaOf(index), demand())));
    // The limit of a minute holds in each; what was spent is remembered.
    expect(frozen.filter((kind) => kind === 'admitted')).toHaveLength(15);
    expect(await replicaOf(0).reserve(demandOf({ requestLimit: 1_000 }), 'closed')).toEqual({ kind: 'closed' });
    expect((await replicaOf(0).reserve(demandOf({ requestLimit: 1 }), 'open')).kind).toBe('admitted');
    expect((await replicaOf(0).reserve(demandOf({ requestLimit: 1 }), 'open')).kind).toBe('admitted');
    server.thaw();
    await until(() => replicas.every(({ redis }) => redis.isAvailable));
    await until(async () => {
      const outcome = await replicaOf(1).reserve(demandOf({ budgets: [budgetOf(100n * CENT)] }));
      if (outcome.kind !== 'admitted') return false;
      outcome.grant.refund();
      // Ten before, and the fifteen spent meanwhile.
      return outcome.grant.figures?.budgets[0]?.spentNanoUsd === 25n * CENT;
    });
  });

  it('count once what was spent while Redis was away, where it came back empty and the ledger knows it too', async () => {
    const budgets = [budgetOf(100n * CENT)];
    await spend(replicaOf(0), demandOf({ budgets }), { costNanoUsd: 20n * CENT });
    await recordUse(database, keyId, 20n * CENT);
    await server.close();
    await until(() => replicas.every(({ redis }) => !redis.isAvailable));
    for (const index of [0, 1, 2]) {
      expect(await spend(replicaOf(index), demandOf({ budgets }), { costNanoUsd: 10n * CENT })).toBe('admitted');
      await recordUse(database, keyId, 10n * CENT);
    }
    server = await startOwnRedis(port);
    await until(() => replicas.every(({ redis }) => redis.isAvailable));
    await spend(replicaOf(0), demandOf({ budgets }), { costNanoUsd: CENT });
    // Every replica has told Redis what it missed by then.
    await delay(1_200);
    const outcome = await replicaOf(1).reserve(demandOf({ budgets }));
    expect(outcome.kind === 'admitted' && outcome.grant.figures?.budgets[0]?.spentNanoUsd).toBe(51n * CENT);
  });

  it('are there again after a restart of Redis, without one of their own', async () => {
    await server.close();
    await until(() => replicas.every(({ redis }) => !redis.isAvailable));
    expect((await replicaOf(0).reserve(demandOf({ requestLimit: 1 }))).kind).toBe('admitted');
    server = await startOwnRedis(port);
    await until(() => replicas.every(({ redis }) => redis.isAvailable));
    const outcomes = await Promise.all(
      [0, 1, 2].map((index) => replicaOf(index).reserve(demandOf({ requestLimit: 1 }))),
    );
    expect(outcomes.filter(({ kind }) => kind === 'admitted')).toHaveLength(1);
  });

  it('go by the failure policy where Redis answers but refuses to count, and again together once it does', async () => {
    const demand = () => demandOf({ requestLimit: 1, budgets: [budgetOf(CENT)] });
    await replicaOf(0).redis.run((client) => client.config('SET', 'maxmemory', '1'));
    expect(await replicaOf(0).reserve(demand(), 'closed')).toEqual({ kind: 'closed' });
    expect((await replicaOf(1).reserve(demand())).kind).toBe('admitted');
    expect((await replicaOf(1).reserve(demand())).kind).toBe('refused');
    await replicaOf(0).redis.run((client) => client.config('SET', 'maxmemory', '0'));
    expect((await replicaOf(1).reserve(demand())).kind).toBe('admitted');
    expect((await replicaOf(2).reserve(demand())).kind).toBe('refused');
  });

  it('let go of what a dead replica held, and count its cost should it be known yet', async () => {
    const budgets = [budgetOf(10n * CENT, 10n * CENT)];
    const dead = await replicaOf(0).reserve(demandOf({ parallelLimit: 1, budgets }));
    const names = await replicaOf(0).redis.run((client) => client.keys(`*${keyId}*`));
    // The lease is over: what a minute without a renewal does.
    await replicaOf(0).redis.run(async (client) => {
      for (const name of names.filter((each) => /:(open|leases)$/.test(each))) {
        for (const id of await client.zrange(name, 0, -1)) await client.zadd(name, Date.now() - 1, id);
      }
    });
    expect(await spend(replicaOf(1), demandOf({ parallelLimit: 1, budgets }), { costNanoUsd: 2n * CENT })).toBe(
      'admitted',
    );
    if (dead.kind === 'admitted') dead.grant.settle({ tokens: 0, costNanoUsd: 8n * CENT });
    await until(async () => (await replicaOf(2).reserve(demandOf({ budgets }))).kind === 'spent');
  });

  it('leave nothing behind that does not expire', async () => {
    await spend(
      replicaOf(0),
      demandOf({ requestLimit: 5, tokenLimit: 100, tokens: 3, parallelLimit: 2, budgets: [budgetOf(CENT)] }),
    );
    await spend(replicaOf(1), demandOf({ requestLimit: 5, tokenLimit: 100, tokens: 3, budgets: [budgetOf(CENT)] }));
    await replicaOf(0).redis.run(async (client) => {
      const names = await client.keys('aegis:limits:*');
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) expect([name, (await client.pttl(name)) > 0]).toEqual([name, true]);
    });
  });
});
