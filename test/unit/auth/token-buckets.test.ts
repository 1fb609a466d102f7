import { TokenBuckets } from '../../../src/auth/token-buckets.js';

describe('tokens a minute', () => {
  let nowMs: number;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const make = (perMinute = 6, maxNames = 100) => new TokenBuckets(perMinute, maxNames, clock);
  const takeAll = (buckets: TokenBuckets, name = 'a'): number => {
    let taken = 0;
    while (buckets.take(name)) taken += 1;
    return taken;
  };
  beforeEach(() => {
    nowMs = 1_000;
  });

  it('may be taken at once, and come back one by one', () => {
    const buckets = make();
    expect(takeAll(buckets)).toBe(6);
    expect(buckets.waitMs('a')).toBe(10_000);
    nowMs += 9_999;
    expect(buckets.take('a')).toBe(false);
    nowMs += 1;
    expect([buckets.take('a'), buckets.take('a')]).toEqual([true, false]);
  });

  it('never become more than a minute has, however long nothing was taken', () => {
    const buckets = make();
    expect(takeAll(buckets)).toBe(6);
    nowMs += 3_600_000;
    expect(takeAll(buckets)).toBe(6);
    buckets.giveBack('fresh');
    expect(takeAll(buckets, 'fresh')).toBe(6);
  });

  it('are as before where one is given back', () => {
    const buckets = make();
    expect(takeAll(buckets)).toBe(6);
    buckets.giveBack('a');
    expect(buckets.waitMs('a')).toBe(0);
    expect(takeAll(buckets)).toBe(1);
  });

  it('are counted for each name, and remembered of those heard of last', () => {
    const buckets = make(6, 2);
    expect([takeAll(buckets, 'a'), takeAll(buckets, 'b')]).toEqual([6, 6]);
    expect(buckets.take('a')).toBe(false);
    expect(buckets.take('c')).toBe(true);
    expect([buckets.take('a'), buckets.take('b')]).toEqual([false, true]);
  });
});
