import fc from 'fast-check';
import { CircuitBreakerConfig } from '../../../src/config/schema/gateway.config.js';
import { type CircuitState, silentObserver } from '../../../src/domain/observer.js';
import { CircuitBreaker, type Passage } from '../../../src/router/circuit-breaker.js';
import { makeProvider, makeTarget } from '../../support/routing-fixtures.js';

const target = makeTarget(makeProvider());

function setUp(changes: Partial<CircuitBreakerConfig> = {}, random = 1) {
  const config = Object.assign(new CircuitBreakerConfig(), changes);
  const states: CircuitState[] = [];
  const clock = { now: 0, nowMs: () => clock.now, monotonicMs: () => clock.now };
  const breaker = new CircuitBreaker(clock, () => random, {
    ...silentObserver,
    circuitChanged: (_target, state) => void states.push(state),
  });
  const enter = (): Passage => {
    const passage = breaker.enter(target, config);
    if (!passage) throw new Error('The circuit is open.');
    return passage;
  };
  const fail = (times = 1) => {
    for (let time = 0; time < times; time++) enter().failed();
  };
  return { breaker, config, clock, states, enter, fail };
}

describe('the circuit of a target', () => {
  it('opens after so many failures in a row, and no success in between', () => {
    const { breaker, fail, enter, states } = setUp({ consecutiveFailures: 3 });
    fail(2);
    enter().succeeded();
    fail(2);
    expect(breaker.findPauseMs(target)).toBeNull();
    fail();
    expect(breaker.findPauseMs(target)).toBe(5_000);
    expect(states).toEqual(['open']);
  });

  it('opens where too large a share of the requests in the window failed', () => {
    const { breaker, fail, enter } = setUp({ consecutiveFailures: 1_000, minRequests: 10, failurePercent: 50 });
    for (let pair = 0; pair < 4; pair++) {
      fail();
      enter().succeeded();
    }
    fail();
    expect(breaker.findPauseMs(target)).toBeNull();
    fail();
    expect(breaker.findPauseMs(target)).not.toBeNull();
  });

  it('forgets what lies behind the window', () => {
    const { breaker, fail, enter, clock } = setUp({ consecutiveFailures: 1_000, minRequests: 10, windowMs: 10_000 });
    fail(9);
    clock.now = 20_000;
    fail();
    enter().succeeded();
    expect(breaker.findPauseMs(target)).toBeNull();
  });

  it('forgets what lies before it was closed, in the first moments of the process too', () => {
    const { breaker, fail, enter, clock } = setUp({ consecutiveFailures: 10, minRequests: 10, openForMs: 1_000 });
    fail(10);
    clock.now = 4_000;
    enter().succeeded();
    fail(5);
    expect(breaker.findPauseMs(target)).toBeNull();
  });

  it('lets one probe pass after its pause, and all once it is answered', () => {
    const { breaker, config, fail, enter, clock, states } = setUp({ consecutiveFailures: 1, openForMs: 1_000 });
    fail();
    clock.now = 999;
    expect(breaker.enter(target, config)).toBeNull();
    clock.now = 1_000;
    const probe = enter();
    expect(breaker.enter(target, config)).toBeNull();
    expect(breaker.findPauseMs(target)).toBeGreaterThan(0);
    probe.answered();
    expect(breaker.enter(target, config)).not.toBeNull();
    expect(states).toEqual(['open', 'half_open', 'closed']);
  });

  it('pauses longer after each failed probe, up to a limit', () => {
    const { breaker, fail, clock } = setUp({ consecutiveFailures: 1, openForMs: 1_000, openForMaxMs: 3_000 });
    const pauses: (number | null)[] = [];
    for (let opening = 0; opening < 4; opening++) {
      fail();
      const pauseMs = breaker.findPauseMs(target);
      pauses.push(pauseMs);
      clock.now += pauseMs ?? 0;
    }
    expect(pauses).toEqual([1_000, 2_000, 3_000, 3_000]);
  });

  it('spreads probes over half of the pause', () => {
    const { breaker, fail } = setUp({ consecutiveFailures: 1, openForMs: 1_000 }, 0);
    fail();
    expect(breaker.findPauseMs(target)).toBe(500);
  });

  it('gives the place of a probe that says nothing to the next one', () => {
    const { fail, enter, clock, breaker } = setUp({ consecutiveFailures: 1, openForMs: 1_000 });
    fail();
    clock.now = 1_000;
    enter().released();
    enter().released();
    enter().succeeded();
    expect(breaker.findPauseMs(target)).toBeNull();
  });

  it('is closed and forgotten with its target, whatever attempts from before still say', () => {
    const { breaker, fail, enter, states } = setUp({ consecutiveFailures: 1 });
    const old = enter();
    fail();
    breaker.retain(new Set([target.id]));
    expect(states).toEqual(['open']);
    breaker.retain(new Set());
    old.failed();
    expect(states).toEqual(['open', 'closed']);
    expect(breaker.findPauseMs(target)).toBeNull();
  });

  it('is deaf to clients that leave and to faults of callers, however many', () => {
    const { enter, breaker } = setUp({ consecutiveFailures: 1, minRequests: 1, failurePercent: 1 });
    for (let time = 0; time < 1_000; time++) enter().released();
    expect(breaker.findPauseMs(target)).toBeNull();
  });

  it('takes nothing from attempts that began before it opened or closed', () => {
    const { enter, fail, clock, breaker, states } = setUp({ consecutiveFailures: 2, openForMs: 1_000 });
    const old = [enter(), enter(), enter(), enter()];
    fail(2);
    old[0]?.succeeded();
    expect(breaker.findPauseMs(target)).not.toBeNull();
    clock.now = 1_000;
    enter().succeeded();
    for (const attempt of old) attempt.failed();
    expect(breaker.findPauseMs(target)).toBeNull();
    expect(states).toEqual(['open', 'half_open', 'closed']);
  });

  it('counts a stream that breaks after its first content, the one that closed the circuit too', () => {
    const { enter, fail, clock, breaker } = setUp({ consecutiveFailures: 1, openForMs: 1_000 });
    fail();
    clock.now = 1_000;
    const probe = enter();
    probe.answered();
    probe.failed();
    expect(breaker.findPauseMs(target)).not.toBeNull();
  });

  it('never opens where it is switched off', () => {
    const { fail, breaker } = setUp({ enabled: false, consecutiveFailures: 1 });
    fail(100);
    expect(breaker.findPauseMs(target)).toBeNull();
  });

  it('has at most one probe under way, and never stays shut for good, whatever happens', () => {
    const step = fc.record({
      waitMs: fc.nat(2_000),
      end: fc.constantFrom('succeeded', 'failed', 'released', 'answered', null),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { breaker, config, clock, states } = setUp({
          consecutiveFailures: 2,
          openForMs: 500,
          openForMaxMs: 1_000,
        });
        const open = new Set<Passage>();
        let probe: Passage | null = null;
        for (const { waitMs, end } of steps) {
          clock.now += waitMs;
          const passage = breaker.enter(target, config);
          if (passage && states.at(-1) === 'half_open') {
            expect(probe).toBeNull();
            probe = passage;
          }
          if (passage) open.add(passage);
          if (!end) continue;
          for (const each of open) {
            each[end]();
            if (each === probe) probe = null;
          }
          if (end !== 'answered') open.clear();
        }
        for (const each of open) each.released();
        clock.now += 1_000;
        const last = breaker.enter(target, config);
        expect(last).not.toBeNull();
        last?.succeeded();
        expect(breaker.findPauseMs(target)).toBeNull();
      }),
    );
  });
});
