import { RetryAdvice } from '../../../../src/gateway/overload/retry-advice.js';

const middle = (): number => 0.5;

/** Everybody is refused, ten times a second; the last advice. */
function refuseAll(advice: RetryAdvice, fromMs: number, forMs: number): number {
  let afterMs = 0;
  for (let nowMs = fromMs; nowMs <= fromMs + forMs; nowMs += 10) afterMs = advice.refused(nowMs);
  return afterMs;
}

describe('RetryAdvice', () => {
  it('is a second at first', () => {
    expect(new RetryAdvice(middle).refused(1_000)).toBe(1_000);
  });

  it('is as long as the overload has gone on, where everybody is refused, and never longer than half a minute', () => {
    const advice = new RetryAdvice(middle);
    const afterMs = refuseAll(advice, 0, 12_000);
    expect(afterMs).toBeGreaterThan(11_000);
    expect(afterMs).toBeLessThanOrEqual(12_000);
    expect(refuseAll(advice, 12_000, 300_000)).toBe(30_000);
  });

  it('is shorter where few are refused: who comes again is let in most of the time', () => {
    const advice = new RetryAdvice(middle);
    let afterMs = 0;
    for (let nowMs = 0; nowMs <= 20_000; nowMs += 10) {
      for (let count = 0; count < 9; count++) advice.admitted();
      afterMs = advice.refused(nowMs);
    }
    expect(afterMs).toBeGreaterThan(1_500);
    expect(afterMs).toBeLessThan(2_500);
  });

  it('begins anew after a calm', () => {
    const advice = new RetryAdvice(middle);
    refuseAll(advice, 0, 20_000);
    expect(advice.refused(26_000)).toBe(1_000);
  });

  it('differs by half to both sides, so that they do not all come at one time', () => {
    expect(new RetryAdvice(() => 0).refused(0)).toBe(500);
    expect(new RetryAdvice(() => 0.999).refused(0)).toBe(1_499);
  });
});
