import fc from 'fast-check';
import type { Clock } from '../../../src/domain/clock.js';
import type { Target } from '../../../src/domain/target.js';
import { LeastLatencyStrategy } from '../../../src/router/strategies/least-latency.strategy.js';
import { PriorityStrategy } from '../../../src/router/strategies/priority.strategy.js';
import { WeightedStrategy } from '../../../src/router/strategies/weighted.strategy.js';
import { TargetActivity } from '../../../src/router/target-activity.js';
import { makeProvider, makeTarget } from '../../support/routing-fixtures.js';

function targetsWithWeights(...weights: number[]): Target[] {
  return weights.map((weight, index) => makeTarget(makeProvider({ name: `p${index}` }), { weight }));
}

function manualClock(): Clock & { now: number } {
  return {
    now: 0,
    nowMs() {
      return this.now;
    },
    monotonicMs() {
      return this.now;
    },
  };
}

describe('every strategy', () => {
  it('returns the same targets, each once', () => {
    const activity = new TargetActivity(manualClock());
    const strategies = [
      new PriorityStrategy(),
      new WeightedStrategy(),
      new LeastLatencyStrategy(activity, Math.random),
    ];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }), (weights) => {
        const targets = targetsWithWeights(...weights);
        for (const strategy of strategies) {
          const order = strategy.order('model', targets);
          expect(order).toHaveLength(targets.length);
          expect(new Set(order)).toEqual(new Set(targets));
        }
      }),
    );
  });
});

describe('priority', () => {
  it('keeps the config order', () => {
    const targets = targetsWithWeights(1, 5, 2);
    expect(new PriorityStrategy().order('model', targets)).toEqual(targets);
  });
});

/** The target that a request is sent to. */
function use(strategy: WeightedStrategy, model: string, targets: readonly Target[]): Target | undefined {
  const ordered = strategy.order(model, targets);
  strategy.advance(model, ordered);
  return ordered[0];
}

describe('weighted', () => {
  it('gives each target exactly its share, and no target a burst', () => {
    const targets = targetsWithWeights(5, 1, 1);
    const strategy = new WeightedStrategy();
    const firsts = Array.from({ length: 14 }, () => use(strategy, 'model', targets)?.provider.name);
    expect(firsts.filter((name) => name === 'p0')).toHaveLength(10);
    expect(firsts.filter((name) => name === 'p1')).toHaveLength(2);
    expect(firsts.slice(0, 7)).toEqual(['p0', 'p0', 'p1', 'p0', 'p2', 'p0', 'p0']);
  });

  it('counts each model for itself', () => {
    const targets = targetsWithWeights(1, 1);
    const strategy = new WeightedStrategy();
    expect(use(strategy, 'one', targets)).toBe(targets[0]);
    expect(use(strategy, 'other', targets)).toBe(targets[0]);
    expect(use(strategy, 'one', targets)).toBe(targets[1]);
  });

  it('does not move on by being asked', () => {
    const targets = targetsWithWeights(1, 1);
    const strategy = new WeightedStrategy();
    for (let asked = 0; asked < 3; asked++) expect(strategy.order('model', targets)[0]).toBe(targets[0]);
  });
});

describe('least latency', () => {
  function setUp(random: () => number = Math.random) {
    const clock = manualClock();
    const activity = new TargetActivity(clock);
    return { clock, activity, strategy: new LeastLatencyStrategy(activity, random) };
  }

  it('prefers the target that answered sooner', () => {
    const { activity, strategy } = setUp();
    const [slow, fast] = targetsWithWeights(1, 1) as [Target, Target];
    activity.recordFirstContent(slow, 900);
    activity.recordFirstContent(fast, 100);
    expect(strategy.order('model', [slow, fast])).toEqual([fast, slow]);
  });

  it('prefers the target with less under way where both are as fast', () => {
    const { activity, strategy } = setUp();
    const [busy, idle] = targetsWithWeights(1, 1) as [Target, Target];
    for (const target of [busy, idle]) activity.recordFirstContent(target, 100);
    activity.enter(busy);
    expect(strategy.order('model', [busy, idle])[0]).toBe(idle);
    activity.leave(busy);
    expect(strategy.order('model', [busy, idle])[0]).toBe(busy);
  });

  it('does not take failing fast for answering fast', () => {
    const { activity, strategy } = setUp();
    const [failing, working] = targetsWithWeights(1, 1) as [Target, Target];
    activity.recordFailure(failing);
    activity.recordFirstContent(working, 2_000);
    expect(strategy.order('model', [failing, working])[0]).toBe(working);
  });

  it('comes back to a target that was slow long ago', () => {
    const { clock, activity, strategy } = setUp();
    const [once, now] = targetsWithWeights(1, 1) as [Target, Target];
    activity.recordFirstContent(once, 5_000);
    clock.now = 600_000;
    activity.recordFirstContent(now, 50);
    expect(strategy.order('model', [once, now])[0]).toBe(once);
  });

  it('sends one request to a target it knows nothing of, and not the whole crowd before the answer', () => {
    const { activity, strategy } = setUp();
    const [unknown, known] = targetsWithWeights(1, 1) as [Target, Target];
    activity.recordFirstContent(known, 500);
    expect(strategy.order('model', [known, unknown])[0]).toBe(unknown);
    activity.enter(unknown);
    expect(strategy.order('model', [known, unknown])[0]).toBe(known);
    activity.recordFirstContent(unknown, 50);
    expect(strategy.order('model', [known, unknown])[0]).toBe(unknown);
  });

  it('sends one request to a target that was slow long ago, and not the whole crowd before the answer', () => {
    const { clock, activity, strategy } = setUp();
    const [once, now] = targetsWithWeights(1, 1) as [Target, Target];
    activity.recordFirstContent(once, 5_000);
    clock.now = 600_000;
    activity.recordFirstContent(now, 50);
    activity.enter(once);
    expect(strategy.order('model', [once, now])[0]).toBe(now);
    activity.recordFirstContent(once, 40);
    activity.leave(once);
    expect(strategy.order('model', [once, now])[0]).toBe(once);
  });

  it('compares two targets drawn at random, not all of them', () => {
    const draws = [0.34, 0];
    const { activity, strategy } = setUp(() => draws.shift() ?? 0);
    const targets = targetsWithWeights(1, 1, 1) as [Target, Target, Target];
    for (const [index, target] of targets.entries()) activity.recordFirstContent(target, 100 * (index + 1));
    // The second and the third are drawn; the best of all is not among them.
    expect(strategy.order('model', targets)).toEqual([targets[1], targets[0], targets[2]]);
  });
});
