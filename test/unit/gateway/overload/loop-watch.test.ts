import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoopWatch } from '../../../../src/gateway/overload/loop-watch.js';

const WORK_MS = 40;

function work(): void {
  const until = performance.now() + WORK_MS;
  while (performance.now() < until);
}

describe('LoopWatch', () => {
  it('tells of each turn how long it was busy, and what it slept is no part of that', async () => {
    const seen: { busyMs: number; turnMs: number }[] = [];
    const watch = new LoopWatch();
    watch.start((busyMs, turnMs) => seen.push({ busyMs, turnMs }));
    await sleep(100);
    work();
    expect(watch.current().busyMs).toBeGreaterThanOrEqual(WORK_MS);
    // Which of two timers that are due rings first is not said: a turn as busy as that is told of once it is over.
    while (!seen.some(({ busyMs }) => busyMs >= WORK_MS)) await sleep(1);
    watch.stop();

    const slept = seen.reduce((sum, { busyMs, turnMs }) => sum + turnMs - busyMs, 0);
    // The timer may ring a millisecond early, and other work of this process may have had its part.
    expect(slept).toBeGreaterThan(0);
    for (const { busyMs, turnMs } of seen) expect(turnMs).toBeGreaterThanOrEqual(busyMs);
  });

  it('says nothing once it is stopped', async () => {
    let turns = 0;
    const watch = new LoopWatch();
    watch.start(() => {
      turns += 1;
    });
    while (turns === 0) await sleep(1);
    watch.stop();
    const before = turns;
    await sleep(20);
    expect(turns).toBe(before);
  });
});
