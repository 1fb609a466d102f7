import { Patience } from '../../../../src/gateway/overload/patience.js';

const TARGET_MS = 4;
const FLOOR_MS = TARGET_MS / 16;

/** The turns of an event loop, in the order they end. */
function turns(patience: Patience, count: number, busyMs: number, idleMs = 0): number[] {
  return Array.from({ length: count }, () => {
    patience.turnEnded(busyMs, busyMs + idleMs);
    return patience.ms;
  });
}

const fullFor = (patience: Patience, ms: number): number[] => turns(patience, ms / 20, 20);

describe('Patience', () => {
  it('is long at first, so that a burst is let in', () => {
    const patience = new Patience(() => TARGET_MS);
    expect(patience.ms).toBe(25 * TARGET_MS);
    expect(patience.isCalm).toBe(true);
  });

  it('shrinks while turns are long and leave no idle time, step by step, down to a sixteenth of the target and no further', () => {
    const patience = new Patience(() => TARGET_MS);
    const seen = [...new Set(fullFor(patience, 2_000))];
    expect(seen).toEqual([...Array.from({ length: 9 }, (_, step) => 100 / 2 ** step), FLOOR_MS]);
  });

  it('stays long where turns are long and the loop sleeps in between: that is large requests, not too many', () => {
    const patience = new Patience(() => TARGET_MS);
    turns(patience, 200, 60, 20);
    expect(patience.isCalm).toBe(true);
  });

  it('stays long where the loop never sleeps and turns are short: all that comes is done at once', () => {
    const patience = new Patience(() => TARGET_MS);
    turns(patience, 2_000, TARGET_MS / 2);
    expect(patience.isCalm).toBe(true);
  });

  it('is not lost with a single long turn', () => {
    const patience = new Patience(() => TARGET_MS);
    turns(patience, 1, 900);
    expect(patience.ms).toBe((25 * TARGET_MS) / 2);
  });

  it('goes by the turns that requests meet: many short ones do not hide a long one', () => {
    const patience = new Patience(() => TARGET_MS);
    for (let round = 0; round < 100; round++) {
      turns(patience, 20, 0.5);
      turns(patience, 1, 40);
    }
    expect(patience.ms).toBe(FLOOR_MS);
  });

  it('comes back slowly once there is idle time, as it must not swing', () => {
    const patience = new Patience(() => TARGET_MS);
    fullFor(patience, 2_000);
    turns(patience, 1, 1, 49);
    expect(patience.ms).toBeGreaterThan(1.1 * FLOOR_MS);
    expect(patience.ms).toBeLessThan(1.5 * FLOOR_MS);
    turns(patience, 20, 1, 49);
    expect(patience.isCalm).toBe(false);
    turns(patience, 15, 1, 49);
    expect(patience.isCalm).toBe(true);
  });

  it('comes back within one turn where the loop slept for long', () => {
    const patience = new Patience(() => TARGET_MS);
    fullFor(patience, 2_000);
    expect(patience.afterIdle(10_000)).toBe(25 * TARGET_MS);
    expect(patience.ms).toBe(FLOOR_MS);
    patience.turnEnded(1, 10_000);
    expect(patience.isCalm).toBe(true);
  });

  it('settles where turns are as long as the target: answers and refusals take their part of them, too', () => {
    const patience = new Patience(() => TARGET_MS);
    fullFor(patience, 1_000);
    const lengths = Array.from({ length: 10_000 }, () => {
      const turnMs = 1 + 2 * Math.min(patience.ms, 20);
      patience.turnEnded(turnMs, turnMs);
      return turnMs;
    });
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    expect(mean).toBeGreaterThan(0.7 * TARGET_MS);
    expect(Math.max(...lengths)).toBeLessThan(1.5 * TARGET_MS);
  });

  it('follows a target that is changed', () => {
    let targetMs = TARGET_MS;
    const patience = new Patience(() => targetMs);
    fullFor(patience, 2_000);
    targetMs = 10;
    fullFor(patience, 2_000);
    expect(patience.ms).toBe(10 / 16);
  });

  it('has no end where the target is 0', () => {
    const patience = new Patience(() => 0);
    fullFor(patience, 2_000);
    expect(patience.ms).toBe(Number.POSITIVE_INFINITY);
    expect(patience.afterIdle(0)).toBe(Number.POSITIVE_INFINITY);
  });
});
