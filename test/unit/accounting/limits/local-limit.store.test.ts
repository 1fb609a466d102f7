import fc from 'fast-check';
import { LocalLimitStore } from '../../../../src/accounting/limits/local-limit.store.js';
import type { Clock } from '../../../../src/domain/clock.js';
import { getReservation, makeBudget, makeDemand, makeKnown } from '../../../support/limit-demands.js';

/** Time that passes when it is told to. */
class FakeClock implements Clock {
  private passedMs = 0;
  nowMs = (): number => Date.UTC(2026, 0, 1) + this.passedMs;
  monotonicMs = (): number => this.passedMs;
  pass(durationMs: number): void {
    this.passedMs += durationMs;
  }
}

const MINUTE_MS = 60_000;
const pauses = fc.oneof(fc.nat(50), fc.nat(3_000), fc.nat(90_000));

describe('limits of a minute', () => {
  it('are never exceeded in any 60 seconds, and keep nobody waiting for more than a second beyond', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.array(pauses, { minLength: 1, maxLength: 120 }),
        async (limit, gaps) => {
          const clock = new FakeClock();
          const store = new LocalLimitStore(clock);
          const admitted: number[] = [];
          for (const gap of gaps) {
            clock.pass(gap);
            const nowMs = clock.monotonicMs();
            const outcome = await store.reserve(makeDemand({ requestLimit: limit }), []);
            const within = (spanMs: number) => admitted.filter((atMs) => atMs > nowMs - spanMs).length;
            if (outcome.kind === 'admitted') {
              expect(within(MINUTE_MS)).toBeLessThan(limit);
              admitted.push(nowMs);
            } else expect(within(MINUTE_MS + 1_000)).toBeGreaterThanOrEqual(limit);
          }
        },
      ),
    );
  });

  it('say truly when to come back: then it fits, and a moment before it does not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 10, max: 100 }),
        fc.array(fc.record({ gap: fc.nat(20_000), tokens: fc.integer({ min: 1, max: 40 }) }), { maxLength: 60 }),
        async (limit, asked) => {
          const clock = new FakeClock();
          const store = new LocalLimitStore(clock);
          for (const { gap, tokens } of asked) {
            clock.pass(gap);
            const ask = () => store.reserve(makeDemand({ tokenLimit: limit, tokens }), []);
            const outcome = await ask();
            if (outcome.kind !== 'refused') continue;
            if (outcome.retryAfterMs === null) {
              expect(tokens).toBeGreaterThan(limit);
              continue;
            }
            clock.pass(outcome.retryAfterMs - 1);
            expect((await ask()).kind).toBe('refused');
            clock.pass(1);
            expect((await ask()).kind).toBe('admitted');
          }
        },
      ),
    );
  });

  it('give nothing back of a minute that is over', async () => {
    const clock = new FakeClock();
    const store = new LocalLimitStore(clock);
    const demand = (tokens: number) => makeDemand({ tokenLimit: 100, tokens });
    const long = getReservation(await store.reserve(demand(80), []));
    clock.pass(MINUTE_MS / 2);
    await store.renew(long);
    clock.pass(MINUTE_MS / 2 + 1_000);
    await store.reserve(demand(60), []);
    await store.settle(long, { tokens: 10, costNanoUsd: 0n });
    expect((await store.reserve(demand(50), [])).figures.tokens.used).toBe(60);
  });

  it('have all of it again once the reset is over', async () => {
    const clock = new FakeClock();
    const store = new LocalLimitStore(clock);
    const demand = () => makeDemand({ requestLimit: 3 });
    await store.reserve(demand(), []);
    clock.pass(31_234);
    const { figures } = await store.reserve(demand(), []);
    clock.pass(figures.requests.resetMs);
    expect((await store.reserve(demand(), [])).figures.requests.used).toBe(1);
  });
});

describe('reservations nobody renews', () => {
  it('free their place and their money after a minute, and their cost counts should it be known yet', async () => {
    const clock = new FakeClock();
    const store = new LocalLimitStore(clock);
    const demand = () => makeDemand({ parallelLimit: 1, budgets: [makeBudget(10n, { estimateNanoUsd: 10n })] });
    const orphan = getReservation(await store.reserve(demand(), [makeKnown(0n)]));
    clock.pass(MINUTE_MS - 1);
    expect((await store.reserve(demand(), [makeKnown(0n)])).kind).toBe('refused');
    clock.pass(1);
    const next = getReservation(await store.reserve(demand(), [makeKnown(0n)]));
    await store.settle(orphan, { tokens: 0, costNanoUsd: 4n });
    await store.settle(orphan, { tokens: 0, costNanoUsd: 4n });
    const [figures] = await store.settle(next, { tokens: 0, costNanoUsd: 1n });
    expect(figures?.spentNanoUsd).toBe(5n);
  });

  it('last as long as they are renewed', async () => {
    const clock = new FakeClock();
    const store = new LocalLimitStore(clock);
    const held = getReservation(await store.reserve(makeDemand({ parallelLimit: 1 }), []));
    for (let round = 0; round < 10; round += 1) {
      clock.pass(MINUTE_MS / 2);
      await store.renew(held);
      expect((await store.reserve(makeDemand({ parallelLimit: 1 }), [])).kind).toBe('refused');
    }
  });
});

describe('what another store says is spent', () => {
  const demand = makeDemand({ budgets: [makeBudget(100n)] });
  const said = (spentNanoUsd: bigint, epoch: string, isSeeded = true) => [
    { spentNanoUsd, epoch, isSeeded, beganAtMs: 0 },
  ];

  it('is remembered at its most: answers overtake each other, and one that was lost knows less', () => {
    const store = new LocalLimitStore(new FakeClock());
    store.learn(demand, said(40n, 'one'), []);
    store.learn(demand, said(30n, 'one'), []);
    expect(store.findShared(demand)).toEqual([makeKnown(40n, 'one')]);
    store.learn(demand, said(10n, 'two'), []);
    expect(store.findShared(demand)).toEqual([makeKnown(40n, 'one')]);
    store.learn(demand, said(45n, 'two', false), store.findShared(demand));
    expect(store.findShared(demand)).toEqual([makeKnown(45n, 'two')]);
  });

  it('is remembered until the next life was told of it, though that says more: it may have come on top of less', () => {
    const store = new LocalLimitStore(new FakeClock());
    store.learn(demand, said(40n, 'one'), []);
    store.learn(demand, said(45n, 'two'), []);
    store.learn(demand, said(46n, 'two'), [makeKnown(39n, 'one')]);
    expect(store.findShared(demand)).toEqual([makeKnown(40n, 'one')]);
    store.learn(demand, said(85n, 'two'), store.findShared(demand));
    expect(store.findShared(demand)).toEqual([makeKnown(85n, 'two')]);
  });

  it('is but a part while nobody has told it of the time before: the ledger is waited for, and nothing is forgotten', async () => {
    const store = new LocalLimitStore(new FakeClock());
    store.learn(demand, said(40n, 'one', false), []);
    expect(store.findShared(demand)).toEqual([{ ...makeKnown(40n, 'one'), isPart: true }]);
    expect(store.findSpent(demand)).toEqual([{ ...makeKnown(40n), isPart: true }]);
    expect(await store.reserve(demand, store.findSpent(demand))).toMatchObject({ kind: 'unseeded' });
    const outcome = await store.reserve(demand, [makeKnown(0n)]);
    expect(outcome).toMatchObject({ kind: 'admitted', figures: { budgets: [{ spentNanoUsd: 40n }] } });
  });
});

describe('a budget', () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom('reserve' as const, 'settle' as const, 'refund' as const, 'again' as const),
      which: fc.nat(9),
      amount: fc.bigInt({ min: 0n, max: 40n }),
    }),
    { maxLength: 80 },
  );

  it('agrees with a plain account of what was spent and what is open, whatever happens in whichever order', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.bigInt({ min: 0n, max: 200n }), async (all, limit) => {
        const store = new LocalLimitStore(new FakeClock());
        const open: { reservation: ReturnType<typeof getReservation>; amount: bigint }[] = [];
        const ended: ReturnType<typeof getReservation>[] = [];
        let spent = 0n;
        for (const { what, which, amount } of all) {
          const reserved = open.reduce((sum, each) => sum + each.amount, 0n);
          if (what === 'reserve') {
            const outcome = await store.reserve(
              makeDemand({ budgets: [makeBudget(limit, { estimateNanoUsd: amount })] }),
              [makeKnown(0n)],
            );
            const expected = spent >= limit ? 'spent' : spent + reserved >= limit ? 'reserved' : 'admitted';
            expect(outcome.kind).toBe(expected);
            expect(outcome.figures.budgets[0]?.spentNanoUsd).toBe(spent);
            if (outcome.kind === 'admitted') open.push({ reservation: outcome.reservation, amount });
          } else if (what === 'again') {
            const past = ended[which];
            if (past) await store.settle(past, { tokens: 0, costNanoUsd: amount });
          } else {
            const [taken] = open.splice(which, 1);
            if (taken === undefined) continue;
            ended.push(taken.reservation);
            if (what === 'refund') await store.refund(taken.reservation);
            else {
              const cost = taken.amount > 0n ? amount % (taken.amount + 1n) : 0n;
              await store.settle(taken.reservation, { tokens: 0, costNanoUsd: cost });
              spent += cost;
            }
          }
        }
        // As long as estimates are bounds, by less than one request.
        expect(spent).toBeLessThan(limit + 40n + (limit === 0n ? 1n : 0n));
      }),
    );
  });
});
