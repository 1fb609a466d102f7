import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { LimitDemand } from '../../../src/accounting/limits/limit-store.js';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { findFreePort } from '../../support/ports.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithOwnRedis, startOwnRedis, type TestRedis } from '../../support/redis.js';
import { TcpFaultProxy } from '../../support/tcp-fault-proxy.js';
import { type LimitReplica, recordUse, startLimitReplica, until } from './limit-replica.js';

const SEED = Number(process.env.AEGIS_TEST_SEED ?? 20_261);
const ROUNDS = Number(process.env.AEGIS_TEST_ROUNDS ?? 5);
const REPLICAS = 3;
const ASKERS_EACH = 4;
const MOST_COST = 100;
const ROUND_MS = 1_000;

type Fault = 'emptied' | 'frozen' | 'refusing' | 'cut' | 'unheard';
/** What may happen in each round. */
const FAULTS: readonly (readonly Fault[])[] = [
  [],
  ['emptied'],
  ['frozen', 'refusing', 'cut', 'unheard'],
  ['emptied', 'refusing'],
  ['emptied', 'frozen', 'refusing', 'cut', 'unheard'],
];

interface Round {
  readonly keyId: string;
  readonly limit: bigint;
  readonly faults: Fault[];
  isOver: boolean;
  spent: bigint;
  /** Part of it that a replica granted by itself. */
  alone: bigint;
}

/** Mulberry32: the same numbers for the same seed. */
function makeDice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

describeWithOwnRedis('budgets over three replicas, whatever happens to Redis', () => {
  const roll = makeDice(SEED);
  let database: TestDatabase;
  let server: TestRedis;
  let admin: Redis;
  let proxies: TcpFaultProxy[];
  let replicas: LimitReplica[];

  beforeAll(async () => {
    database = await createDatabase();
    const port = await findFreePort();
    server = await startOwnRedis(port);
    admin = new Redis(server.url);
    proxies = await Promise.all(Array.from({ length: REPLICAS }, () => TcpFaultProxy.start(port)));
    replicas = await Promise.all(
      proxies.map(({ url }) => startLimitReplica(database.url, url.replace('http:', 'redis:'))),
    );
    await until(() => replicas.every(({ redis }) => redis.isAvailable));
  });
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.close()));
    await Promise.all(proxies.map((proxy) => proxy.close()));
    admin.disconnect();
    await server.close();
    await database.drop();
  });

  const demandOf = ({ keyId }: Round, limit: bigint, estimate = MOST_COST): LimitDemand =>
    makeDemand({
      keyId,
      budgets: [
        makeBudget(limit, { subject: keyId, estimateNanoUsd: BigInt(estimate) }),
        makeBudget(limit * 10n, { scope: 'team', subject: keyId, estimateNanoUsd: BigInt(estimate) }),
      ],
    });

  async function ask(replica: LimitReplica, round: Round): Promise<void> {
    while (!round.isOver) {
      const startedMs = Date.now();
      const outcome = await replica.reserve(demandOf(round, round.limit));
      await delay(1 + roll(10));
      if (outcome.kind !== 'admitted') continue;
      const cost = BigInt(1 + roll(MOST_COST));
      round.spent += cost;
      if (!outcome.grant.figures?.budgets[0]?.epoch) round.alone += cost;
      const durationMs = Date.now() - startedMs;
      outcome.grant.settle({ tokens: 0, costNanoUsd: cost });
      await recordUse(database, round.keyId, cost, new Date(startedMs), durationMs);
    }
  }

  async function breakSomething(fault: Fault): Promise<void> {
    const proxy = proxies[roll(REPLICAS)] as TcpFaultProxy;
    switch (fault) {
      case 'emptied':
        await admin.flushall();
        return;
      case 'frozen':
        server.freeze();
        await delay(50 + roll(100));
        server.thaw();
        return;
      case 'refusing':
        await admin.config('SET', 'min-replicas-to-write', '1');
        await delay(50 + roll(100));
        await admin.config('SET', 'min-replicas-to-write', '0');
        return;
      case 'cut':
        await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        return;
      case 'unheard':
        proxy.hold();
        await delay(50 + roll(100));
        proxy.release();
        return;
      default:
        fault satisfies never;
    }
  }

  async function play(faults: readonly Fault[]): Promise<Round> {
    const limit = BigInt(roll(2) === 0 ? 5_000 + roll(5_000) : 1_000_000);
    const round: Round = { keyId: randomUUID(), limit, faults: [], isOver: false, spent: 0n, alone: 0n };
    const askers = replicas.flatMap((replica) => Array.from({ length: ASKERS_EACH }, () => ask(replica, round)));
    for (const end = Date.now() + ROUND_MS; Date.now() < end; ) {
      await delay(50 + roll(150));
      const fault = faults[roll(faults.length)];
      if (fault === undefined) continue;
      round.faults.push(fault);
      await breakSomething(fault);
    }
    round.isOver = true;
    await Promise.all(askers);
    return round;
  }

  /** What the counter says to each replica, once each has told what it knew; null where one does not count in Redis. */
  async function readCounters(round: Round): Promise<bigint[] | null> {
    for (const { limiter } of replicas) await limiter.beforeApplicationShutdown();
    const counters: bigint[] = [];
    for (const replica of [...replicas, ...replicas]) {
      const outcome = await replica.reserve(demandOf(round, 1_000_000_000n, 0));
      if (outcome.kind !== 'admitted') return null;
      outcome.grant.refund();
      const [figures] = outcome.grant.figures?.budgets ?? [];
      if (!figures?.epoch || !figures.isSeeded) return null;
      counters.push(figures.spentNanoUsd);
    }
    return counters.slice(REPLICAS);
  }

  it(`are held, and all that was spent is counted once (AEGIS_TEST_SEED=${SEED})`, async () => {
    for (let number = 0; number < ROUNDS; number += 1) {
      const faults = FAULTS[number % FAULTS.length] ?? [];
      const round = await play(faults);
      const count = (kind: Fault): number => round.faults.filter((each) => each === kind).length;
      // Of what was under way as Redis went away nobody knows whether it had counted it; then it was emptied.
      const unheard = round.alone > 0n ? count('emptied') * REPLICAS * ASKERS_EACH : Math.min(count('emptied'), 1);
      const tolerated = BigInt(unheard * MOST_COST);
      let counters: bigint[] | null = null;
      const isRight = (counted: bigint): boolean =>
        counted >= round.spent - tolerated && counted <= round.spent + tolerated;
      for (const end = Date.now() + 10_000; Date.now() < end && !counters?.every(isRight); await delay(50)) {
        counters = await readCounters(round);
      }
      const { spent, alone, limit } = round;
      const told = { number, counters, spent, alone, limit, tolerated, faults: round.faults };
      if (!counters?.every(isRight)) throw new Error(`counted wrong: ${show(told)}`);
      // Each fault may hide what is under way from the others.
      const hidden = BigInt(MOST_COST * (1 + round.faults.length * REPLICAS * ASKERS_EACH));
      if (spent >= limit + alone + hidden) throw new Error(`overspent: ${show(told)}`);
      if (process.env.AEGIS_TEST_TOLD) process.stderr.write(`${show(told)}\n`);
    }
  }, 60_000);
});

function show(told: object): string {
  return JSON.stringify({ seed: SEED, ...told }, (_key, value) => (typeof value === 'bigint' ? Number(value) : value));
}
