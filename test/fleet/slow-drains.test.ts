import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../integration/auth/replica.js';
import { describeWithHaproxy } from '../support/haproxy.js';
import { describeWithOwnRedis } from '../support/redis.js';
import { Promises, tell } from './support/figures.js';
import { ServedFleet } from './support/fleet.js';
import { type FleetTimings, noticeMs, readTimings } from './support/options.js';
import { type Call, describeOutcomes, failedOf, quantile, Traffic } from './support/traffic.js';

const DEADLINE_MS = 30 * 60_000;
/** Until the processes' ends are noticed here, on a machine that is busy. */
const SLACK_MS = 5_000;

/** One gateway's restart: when it was told to end, and when it had. */
interface Turn {
  readonly toldAtMs: number;
  readonly endedAtMs: number;
  readonly code: number | null;
}

const inSuite = (suite: () => void): void =>
  describeWithHaproxy('three gateways behind the balancer', () =>
    describeWithOwnRedis('with streams that last', suite),
  );

inSuite(() => {
  let fleet: ServedFleet;
  let promises: Promises;
  beforeEach(() => {
    promises = new Promises();
  });
  afterEach(() => fleet?.close());

  /** A rolling restart under load, each gateway once, with streams under way at each. */
  async function restartAll(timings: FleetTimings): Promise<{ turns: readonly Turn[]; seen: readonly Call[] }> {
    fleet = await ServedFleet.start(timings);
    await waitUntil(() => fleet.operator.redis.isAvailable);
    await waitUntil(async () => (await fleet.redisStates()).every((state) => state === 'up'));
    const { key } = await fleet.mint();
    const traffic = new Traffic({ url: fleet.url, key, clients: timings.clients, streams: timings.streams });
    const turns: Turn[] = [];
    try {
      await delay(timings.calmMs);
      for (const member of fleet.members) {
        // A stream whose most is yet to come, whoever it is open at: others ended with the gateway before.
        await waitUntil(async () => (await fleet.openAt(member)) > 0);
        const toldAtMs = performance.now();
        member.process.child.kill('SIGTERM');
        const code = await member.process.exited;
        turns.push({ toldAtMs, endedAtMs: performance.now(), code });
        await fleet.restart(member);
        await delay(timings.calmMs);
      }
    } finally {
      await traffic.stop();
    }
    const streams = traffic.calls.filter(({ kind }) => kind === 'stream').length;
    tell('requests, streams among them', `${traffic.calls.length}, ${streams}`);
    return { turns, seen: traffic.calls };
  }

  function checkEnds(turns: readonly Turn[], least: number, most: number): void {
    const codes = turns.map(({ code }) => code);
    promises.check(
      'exit codes',
      [...new Set(codes)].join(', '),
      '0',
      codes.every((code) => code === 0),
    );
    const took = turns.map(({ toldAtMs, endedAtMs }) => endedAtMs - toldAtMs);
    promises.check(
      'told to end, ended after',
      took.map((ms) => `${Math.round(ms)} ms`).join(', '),
      `${least} to ${most} ms`,
      took.every((ms) => ms >= least && ms <= most),
    );
  }

  async function checkLedger(seen: readonly Call[]): Promise<void> {
    const { missing, twice } = await fleet.compareLedger(seen.map(({ id }) => id));
    promises.check('in the ledger: requests missing, and twice', `${missing}, ${twice}`, '0, 0', missing + twice === 0);
  }

  it(
    'a drain that streams survive, though the balancer has long looked elsewhere',
    async () => {
      const timings = { ...readTimings(), streamMs: readTimings().slowStreamMs };
      const { graceMs, drainMs, streamMs } = timings;
      if (graceMs < noticeMs(timings) || streamMs <= graceMs || streamMs >= drainMs) {
        tell('slow-stream', `${streamMs} ms`, `between the grace, ${graceMs} ms, and the drain, ${drainMs} ms`, false);
      }
      const { turns, seen } = await restartAll(timings);
      const outlasting = turns.map(
        ({ toldAtMs }) =>
          seen.filter(
            ({ kind, startedAtMs, endedAtMs }) =>
              kind === 'stream' && startedAtMs < toldAtMs && endedAtMs > toldAtMs + graceMs,
          ).length,
      );
      tell('streams anywhere that were under way and outlasted the grace', outlasting.join(', '));
      const failed = failedOf(seen);
      promises.check('failed requests', describeOutcomes(failed), 'none', failed.length === 0);
      checkEnds(turns, graceMs, graceMs + streamMs + SLACK_MS);
      const waited = turns.filter(({ toldAtMs, endedAtMs }) => endedAtMs - toldAtMs > graceMs + 1_000).length;
      promises.check('gateways that waited for a stream after the grace', waited, 'at least 1', waited > 0);
      await checkLedger(seen);
      promises.expectKept();
    },
    DEADLINE_MS,
  );

  it(
    'a drain that streams do not survive',
    async () => {
      const { endlessStreamMs, shortDrainMs, ...rest } = readTimings();
      const timings = { ...rest, endlessStreamMs, shortDrainMs, streamMs: endlessStreamMs, drainMs: shortDrainMs };
      const limitMs = timings.graceMs + shortDrainMs;
      if (endlessStreamMs <= limitMs) {
        tell('endless-stream', `${endlessStreamMs} ms`, `longer than grace and drain, ${limitMs} ms`, false);
      }
      const { turns, seen } = await restartAll(timings);
      const failed = failedOf(seen);
      tell('what clients saw', describeOutcomes(failed));
      const ended = failed.filter(({ kind, outcome }) => kind === 'stream' && outcome === 'ended with shutting_down');
      promises.check('streams ended with one error event', ended.length, 'some', ended.length > 0);
      const others = failed.filter((call) => !ended.includes(call));
      promises.check('requests failed otherwise', describeOutcomes(others), 'none', others.length === 0);
      const early = ended.filter(
        ({ startedAtMs, endedAtMs }) =>
          !turns.some(({ toldAtMs, endedAtMs: end }) => endedAtMs >= toldAtMs + limitMs && startedAtMs <= end),
      );
      promises.check('streams ended before the drain was over', early.length, '0', early.length === 0);
      const lasted = ended.map(({ startedAtMs, endedAtMs }) => endedAtMs - startedAtMs);
      tell('they had lasted', `half ${quantile(lasted, 0.5)} ms, at most ${quantile(lasted, 1)} ms`);
      checkEnds(turns, limitMs, limitMs + SLACK_MS);
      const endings = await fleet.endingsOf(ended.map(({ id }) => id));
      const asFailed = endings.filter((ending) => ending === 'failed shutting_down').length;
      promises.check(
        'of them in the ledger as failed',
        `${asFailed} (${[...new Set(endings)].join(', ')})`,
        `all ${ended.length}`,
        asFailed === ended.length && endings.length === ended.length,
      );
      await checkLedger(seen);
      promises.expectKept();
    },
    DEADLINE_MS,
  );
});
