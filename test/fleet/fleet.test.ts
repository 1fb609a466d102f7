import { setTimeout as delay } from 'node:timers/promises';
import { statusFor } from '../integration/auth/fleet.js';
import { waitUntil } from '../integration/auth/replica.js';
import { describeWithHaproxy } from '../support/haproxy.js';
import { describeWithOwnRedis } from '../support/redis.js';
import { Promises, tell } from './support/figures.js';
import { ANSWER_NANO_USD, ServedFleet } from './support/fleet.js';
import { noticeMs, readTimings } from './support/options.js';
import {
  ask,
  type Call,
  describeOutcomes,
  failedOf,
  type Kill,
  quantile,
  sortByKill,
  Traffic,
} from './support/traffic.js';

const timings = readTimings();
const DEADLINE_MS = 30 * 60_000;
/** What the documentation promises. */
const REVOKED_WITHIN_MS = 1_000;
const REVOKED_WITHOUT_REDIS_MS = 2_000;
const CONFIGURED_WITHIN_MS = 5_000;

const inSuite = (suite: () => void): void =>
  describeWithHaproxy('three gateways behind the balancer', () => describeWithOwnRedis('with Redis', suite));

inSuite(() => {
  let fleet: ServedFleet;
  let key: string;
  let promises: Promises;
  /** All calls of the run: each must be in the ledger once. */
  const calls: Call[] = [];

  beforeAll(async () => {
    fleet = await ServedFleet.start(timings);
    await waitUntil(() => fleet.operator.redis.isAvailable);
    await waitUntil(async () => (await fleet.redisStates()).every((state) => state === 'up'));
    ({ key } = await fleet.mint());
  }, 120_000);
  afterAll(() => fleet?.close());
  beforeEach(() => {
    promises = new Promises();
  });

  /** What clients saw while this was done, with calm before and after. */
  async function underLoad(action: () => Promise<void>): Promise<readonly Call[]> {
    const traffic = new Traffic({ url: fleet.url, key, clients: timings.clients, streams: timings.streams });
    await delay(timings.calmMs);
    try {
      await action();
      await delay(timings.calmMs);
    } finally {
      calls.push(...(await traffic.stop()));
    }
    return traffic.calls;
  }

  function tellTraffic(seen: readonly Call[]): void {
    const answers = seen.filter(({ kind }) => kind === 'answer');
    const took = answers.map(({ startedAtMs, endedAtMs }) => endedAtMs - startedAtMs);
    tell('requests, streams among them', `${seen.length}, ${seen.length - answers.length}`);
    tell(
      'answers: half within, 99 % within, slowest',
      `${quantile(took, 0.5)}, ${quantile(took, 0.99)}, ${quantile(took, 1)} ms`,
    );
  }

  function checkNoneFailed(seen: readonly Call[]): void {
    const failed = failedOf(seen);
    promises.check('failed requests', describeOutcomes(failed), 'none', failed.length === 0);
  }

  /** Of restarts nobody notices anything. */
  async function checkRestarts(codes: readonly (number | null)[], seen: readonly Call[]): Promise<void> {
    const isClean = codes.every((code) => code === 0);
    promises.check('exit codes', [...new Set(codes)].join(', '), '0', isClean);
    checkNoneFailed(seen);
    await checkLedger();
    promises.expectKept();
  }

  async function checkLedger(): Promise<void> {
    const whole = calls.filter(({ outcome }) => outcome === 'whole').map(({ id }) => id);
    const { missing, twice } = await fleet.compareLedger(whole);
    promises.check('in the ledger: requests missing, and twice', `${missing}, ${twice}`, '0, 0', missing + twice === 0);
  }

  it(
    'a rolling restart',
    async () => {
      if (timings.graceMs < noticeMs(timings)) {
        tell(
          'shutdown_grace',
          `${timings.graceMs} ms`,
          `no less than ${noticeMs(timings)} ms, which the balancer needs`,
          false,
        );
      }
      if (timings.drainMs < timings.streamMs) {
        tell('graceful_shutdown', `${timings.drainMs} ms`, `no less than a stream, ${timings.streamMs} ms`, false);
      }
      const codes: (number | null)[] = [];
      const endedMs: number[] = [];
      const awayMs: number[] = [];
      const seen = await underLoad(async () => {
        for (let turn = 0; turn < timings.rounds * fleet.members.length; turn += 1) {
          const member = fleet.member(turn);
          const startedAtMs = performance.now();
          member.process.child.kill('SIGTERM');
          codes.push(await member.process.exited);
          endedMs.push(performance.now() - startedAtMs);
          await fleet.restart(member);
          awayMs.push(performance.now() - startedAtMs);
        }
      });
      tellTraffic(seen);
      tell('restarts, each away for', `${awayMs.length}, at most ${quantile(awayMs, 1)} ms`);
      tell('told to end, ended after', `at most ${quantile(endedMs, 1)} ms`);
      await checkRestarts(codes, seen);
    },
    DEADLINE_MS,
  );

  it(
    'restarts one upon the other, Redis and the configuration meanwhile',
    async () => {
      const codes: (number | null)[] = [];
      const seen = await underLoad(async () => {
        for (let turn = 0; turn < fleet.members.length; turn += 1) {
          const member = fleet.member(turn);
          // Twice, the second time as soon as it is back.
          for (const isFirst of [true, false]) {
            member.process.child.kill('SIGTERM');
            if (isFirst) {
              await fleet.endRedis();
              fleet.writeConfig([`meanwhile-${turn}`]);
              await delay(timings.redisMs);
              await fleet.startRedis();
            }
            codes.push(await member.process.exited);
            await fleet.restart(member);
          }
        }
      });
      tellTraffic(seen);
      await checkRestarts(codes, seen);
    },
    DEADLINE_MS,
  );

  it(
    'one gateway is killed',
    async () => {
      const before = fleet.findAborted();
      const kills: Kill[] = [];
      const victims = new Set<string>();
      const seen = await underLoad(async () => {
        for (let turn = 0; turn < timings.kills; turn += 1) {
          const member = fleet.member(turn);
          victims.add(member.name);
          const countedAtMs = performance.now();
          const open = await fleet.openAt(member);
          const atMs = performance.now();
          member.process.child.kill('SIGKILL');
          await fleet.untilDown(member);
          const noticedMs = performance.now() - atMs;
          kills.push({ atMs, open, countedAtMs, noticedMs });
          await delay(timings.calmMs);
          await fleet.restart(member);
          await delay(timings.calmMs);
        }
      });
      tellTraffic(seen);
      const failed = failedOf(seen);
      tell('what clients saw', describeOutcomes(failed));
      tell(
        'open at the killed gateway, as the balancer saw them just before',
        kills.map(({ open }) => open).join(', '),
      );
      tell('the balancer noticed after', `${kills.map(({ noticedMs }) => Math.round(noticedMs)).join(', ')} ms`);
      const aborted = [...fleet.findAborted()].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
      const elsewhere = aborted.filter(([name, count]) => !victims.has(name) && count > 0);
      promises.check('failed at others than the killed', elsewhere.length, '0', elsewhere.length === 0);
      const { underWay, between, later } = sortByKill(failed, kills);
      const most = kills.reduce((sum, { open }) => sum + open, 0);
      const isBounded = underWay.length <= most;
      promises.check(
        'failed, under way at a kill',
        underWay.length,
        `at most the ${most} that were open there`,
        isBounded,
      );
      tell('failed, begun before the balancer noticed', describeOutcomes(between));
      promises.check('failed, begun later', describeOutcomes(later), 'none', later.length === 0);
      // Where it had used the connection before, the balancer ends the client's without an answer, so that it asks again.
      const other = failed.filter(({ outcome }) => !/^(502 dependency_unavailable|no answer|cut)/.test(outcome));
      promises.check('failed, with what could be an answer', describeOutcomes(other), 'none', other.length === 0);
      await checkLedger();
      promises.expectKept();
    },
    DEADLINE_MS,
  );

  it(
    'a changed configuration',
    async () => {
      const firstMs: number[] = [];
      const lastMs: number[] = [];
      const seen = await underLoad(async () => {
        for (let turn = 0; turn < timings.changes; turn += 1) {
          const alias = `change-${turn}`;
          const startedAtMs = performance.now();
          fleet.writeConfig([alias]);
          const took = await Promise.all(
            fleet.members.map(async (member) => {
              await waitUntil(async () => (await fleet.models(member, key)).includes(alias), 30_000);
              return performance.now() - startedAtMs;
            }),
          );
          firstMs.push(Math.min(...took));
          lastMs.push(Math.max(...took));
        }
      });
      tellTraffic(seen);
      tell('changes, the first gateway has it after', `${firstMs.length}, half within ${quantile(firstMs, 0.5)} ms`);
      const worst = quantile(lastMs, 1);
      promises.check(
        'the last gateway has it after',
        `half within ${quantile(lastMs, 0.5)}, at most ${worst} ms`,
        `${CONFIGURED_WITHIN_MS} ms`,
        worst <= CONFIGURED_WITHIN_MS,
      );
      checkNoneFailed(seen);
      promises.expectKept();
    },
    DEADLINE_MS,
  );

  /** Milliseconds until the last gateway refuses a key that all of them know. */
  async function revokeOnce(): Promise<number> {
    const { key: doomed, record } = await fleet.mint();
    for (const member of fleet.members) expect(await statusFor(member, doomed)).toBe(200);
    const startedAtMs = performance.now();
    const revoking = fleet.operator.administration.revoke(record, null);
    await Promise.all([
      revoking,
      ...fleet.members.map((member) => waitUntil(async () => (await statusFor(member, doomed)) === 401, 30_000)),
    ]);
    return performance.now() - startedAtMs;
  }

  it(
    'a revoked key',
    async () => {
      const took: number[] = [];
      const seen = await underLoad(async () => {
        for (let turn = 0; turn < timings.revocations; turn += 1) took.push(await revokeOnce());
      });
      tellTraffic(seen);
      promises.check(
        'the last gateway refuses it after',
        `${took.length} keys, half within ${quantile(took, 0.5)}, at most ${quantile(took, 1)} ms`,
        `${REVOKED_WITHIN_MS} ms`,
        quantile(took, 1) <= REVOKED_WITHIN_MS,
      );
      checkNoneFailed(seen);
      promises.expectKept();
    },
    DEADLINE_MS,
  );

  it(
    'limits over all gateways',
    async () => {
      const admit = async (
        limit: number,
        changes: Parameters<ServedFleet['mint']>[0],
        kind: Call['kind'],
      ): Promise<void> => {
        const { key: limited } = await fleet.mint(changes);
        const asked = limit * 3;
        // The first one of a budget waits for what the ledger says; then all at once, wherever the balancer sends them.
        const first = await ask(fleet.url, limited, kind);
        const rest = await Promise.all(Array.from({ length: asked - 1 }, () => ask(fleet.url, limited, kind)));
        const outcomes = [first, ...rest];
        calls.push(...outcomes);
        const admitted = outcomes.length - failedOf(outcomes).length;
        const name = Object.keys(changes ?? {})[0] ?? '';
        const refused = failedOf(outcomes).filter(({ outcome }) => !/^(429|402) /.test(outcome));
        promises.check(`${name}: admitted of ${asked}`, admitted, `${limit}`, admitted === limit);
        promises.check(
          `${name}: refused otherwise than by the limit`,
          describeOutcomes(refused),
          'none',
          refused.length === 0,
        );
      };
      await admit(60, { rpmLimit: 60 }, 'answer');
      await admit(40, { budgetNanoUsd: 40n * ANSWER_NANO_USD, budgetWindow: 'month' }, 'answer');
      promises.expectKept();
    },
    DEADLINE_MS,
  );

  it(
    'Redis is restarted, empty',
    async () => {
      const took: number[] = [];
      const backMs: number[] = [];
      const seen = await underLoad(async () => {
        for (let turn = 0; turn < timings.redis; turn += 1) {
          await fleet.endRedis();
          await waitUntil(async () => (await fleet.redisStates()).every((state) => state !== 'up'));
          took.push(await revokeOnce());
          await delay(timings.redisMs);
          const startedAtMs = performance.now();
          await fleet.startRedis();
          await waitUntil(async () => (await fleet.redisStates()).every((state) => state === 'up'));
          backMs.push(performance.now() - startedAtMs);
        }
      });
      tellTraffic(seen);
      tell('all gateways use it again after', `at most ${quantile(backMs, 1)} ms`);
      promises.check(
        'the last gateway refuses a key revoked meanwhile after',
        `at most ${quantile(took, 1)} ms`,
        `${REVOKED_WITHOUT_REDIS_MS} ms`,
        quantile(took, 1) <= REVOKED_WITHOUT_REDIS_MS,
      );
      checkNoneFailed(seen);
      await checkLedger();
      promises.expectKept();
    },
    DEADLINE_MS,
  );
});
