import fc from 'fast-check';
import { TargetActivity } from '../../../src/router/target-activity.js';
import { shareOf, type WorkerRole } from '../../../src/workers/worker-role.js';
import { targetOf } from '../../support/targets.js';

const roles = (count: number): WorkerRole[] =>
  Array.from({ length: count }, (_, index) => ({ number: index + 1, count, primary: null }));

describe('the share of a worker', () => {
  it('is a part of the whole: together neither more nor less, and none much larger than another', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 256 }), (total, count) => {
        const shares = roles(count).map((role) => shareOf(total, role));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(total);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('of the places at a provider is all that it takes, and of those who wait for one', async () => {
    const target = targetOf('vllm', { provider: { maxConcurrent: 5, maxQueued: 3 } });
    const clock = { nowMs: () => 0, monotonicMs: () => 0 };
    const activities = roles(3).map((role) => new TargetActivity(clock, role));
    const entered = activities.map((activity) => Array.from({ length: 9 }, () => activity.enter(target)));
    expect(entered.map((each) => each.filter(Boolean).length)).toEqual([2, 2, 1]);
    expect(activities.map((activity) => activity.isSaturated(target.provider))).toEqual([true, true, true]);
    const { signal } = new AbortController();
    const waits = activities.map((activity) => [0, 1].map(() => activity.enterOrWait(target, 60_000, signal)));
    for (const activity of activities) activity.leave(target);
    // The first got the place; the second was turned away at once.
    for (const [first, second] of waits) expect([await first, await second]).toEqual([true, false]);
  });
});
