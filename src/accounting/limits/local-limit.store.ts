import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Clock } from '../../domain/clock.js';
import { systemClock } from '../../domain/clock.js';
import { CLOCK } from '../../domain/observer.js';
import { BudgetCounter } from './budget-counter.js';
import type {
  Actual,
  BudgetDemand,
  BudgetFigures,
  KnownSpending,
  LimitDemand,
  LimitFigures,
  LimitStore,
  Reservation,
  ReserveOutcome,
} from './limit-store.js';
import { budgetName, COUNTER_GRACE_MS, LEASE_MS } from './limit-store.js';
import { SlidingWindow, secondOf } from './sliding-window.js';

const PRUNE_INTERVAL_MS = 60_000;

interface KeyCounts {
  readonly requests: SlidingWindow;
  readonly tokens: SlidingWindow;
  /** Open reservations by id; the value is the end of their lease. */
  readonly open: Map<string, number>;
}

/** Counts of this process alone: where there is no Redis, and while it is away. */
@Injectable()
export class LocalLimitStore implements LimitStore {
  private readonly clock: Clock;
  private readonly keys = new Map<string, KeyCounts>();
  private readonly counters = new Map<string, BudgetCounter>();
  private prunedAtMs = 0;

  constructor(@Optional() @Inject(CLOCK) clock?: Clock) {
    this.clock = clock ?? systemClock;
  }

  async reserve(demand: LimitDemand, known: readonly (KnownSpending | null)[]): Promise<ReserveOutcome> {
    const nowMs = this.clock.monotonicMs();
    this.prune(nowMs);
    const key = this.keyOf(demand);
    const counters = demand.budgets.map((budget) => this.counterOf(demand, budget));
    counters.forEach((counter, index) => {
      counter.expire(nowMs);
      const spent = known[index];
      if (spent && !counter.figures.isSeeded) counter.learn(spent);
    });
    const refusal = key.open.has(demand.id) ? null : this.findRefusal(demand, key, counters, nowMs);
    if (refusal !== null) return refusal;
    const second = secondOf(nowMs);
    if (!key.open.has(demand.id)) {
      key.requests.add(second, demand.requestLimit === null ? 0 : 1, nowMs);
      key.tokens.add(second, demand.tokenLimit === null ? 0 : demand.tokens, nowMs);
      key.open.set(demand.id, nowMs + LEASE_MS);
      counters.forEach((counter, index) => {
        counter.reserve(demand.id, demand.budgets[index]?.estimateNanoUsd ?? 0n, nowMs);
      });
    }
    const epochs = counters.map(() => '');
    return { kind: 'admitted', reservation: { demand, second, epochs }, figures: this.figures(key, counters, nowMs) };
  }

  async settle(reservation: Reservation, actual: Actual): Promise<readonly BudgetFigures[]> {
    return this.end(reservation, actual, false);
  }

  async refund(reservation: Reservation): Promise<readonly BudgetFigures[]> {
    return this.end(reservation, { tokens: 0, costNanoUsd: 0n }, true);
  }

  async renew({ demand }: Reservation): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    const { open } = this.keyOf(demand);
    if ((open.get(demand.id) ?? 0) > nowMs) open.set(demand.id, nowMs + LEASE_MS);
    for (const budget of demand.budgets) this.counterOf(demand, budget).renew(demand.id, nowMs);
  }

  async seed(demand: LimitDemand, budget: number, { spentNanoUsd }: KnownSpending): Promise<BudgetFigures> {
    const counter = this.counterAt(demand, budget);
    counter.seed(spentNanoUsd);
    return counter.figures;
  }

  /**
   * What another store says is spent; kept for the time when that one cannot be asked. `sent`: what it had been told
   * with the question.
   */
  learn(demand: LimitDemand, figures: readonly BudgetFigures[], sent: readonly (KnownSpending | null)[]): void {
    this.prune(this.clock.monotonicMs());
    for (const [index, budget] of figures.entries()) {
      this.counterAt(demand, index).learnShared(budget, sent[index] ?? null);
    }
  }

  /** The least that was spent, as far as somebody else knows it; null = nothing is known. */
  raise(demand: LimitDemand, known: readonly (KnownSpending | null)[]): void {
    demand.budgets.forEach((budget, index) => {
      const spent = known[index];
      if (spent) this.counterOf(demand, budget).learn(spent);
    });
  }

  /** Counts what a reservation of another store cost, while that one cannot be told. */
  charge(demand: LimitDemand, costNanoUsd: bigint): void {
    for (const budget of demand.budgets) this.counterOf(demand, budget).charge(costNanoUsd);
  }

  /** What is known to be spent; null where nothing is. */
  findSpent(demand: LimitDemand): readonly (KnownSpending | null)[] {
    return demand.budgets.map((budget) => {
      const counter = this.counters.get(budgetName(demand.organization, budget));
      if (counter === undefined) return null;
      return { spentNanoUsd: counter.spentNanoUsd, epoch: '', ...(!counter.isKnown && { isPart: true }) };
    });
  }

  /** What the other store was last known to say; null where it never did. */
  findShared(demand: LimitDemand): readonly (KnownSpending | null)[] {
    return demand.budgets.map((budget) => this.counters.get(budgetName(demand.organization, budget))?.shared ?? null);
  }

  private findRefusal(
    demand: LimitDemand,
    { open, requests, tokens }: KeyCounts,
    counters: readonly BudgetCounter[],
    nowMs: number,
  ): ReserveOutcome | null {
    const figures = (): LimitFigures => this.figures({ open, requests, tokens }, counters, nowMs);
    const limits = demand.budgets.map(({ limitNanoUsd }) => limitNanoUsd);
    const spent = counters.findIndex((counter, index) => counter.spentNanoUsd >= (limits[index] ?? 0n));
    if (spent >= 0) return { kind: 'spent', budget: spent, figures: figures() };
    if (!counters.every(({ isKnown }) => isKnown)) return { kind: 'unseeded', figures: figures() };

    if (demand.parallelLimit !== null) {
      for (const [id, leaseEndsMs] of open) if (leaseEndsMs <= nowMs) open.delete(id);
      if (open.size >= demand.parallelLimit) {
        return { kind: 'refused', by: 'parallel', retryAfterMs: null, figures: figures() };
      }
    }
    if (demand.requestLimit !== null && requests.used(nowMs) + 1 > demand.requestLimit) {
      const retryAfterMs = requests.findPauseMs(demand.requestLimit, 1, nowMs);
      return { kind: 'refused', by: 'requests', retryAfterMs, figures: figures() };
    }
    if (demand.tokenLimit !== null && tokens.used(nowMs) + demand.tokens > demand.tokenLimit) {
      const retryAfterMs = tokens.findPauseMs(demand.tokenLimit, demand.tokens, nowMs);
      return { kind: 'refused', by: 'tokens', retryAfterMs, figures: figures() };
    }
    const full = counters.findIndex(
      ({ spentNanoUsd, reservedNanoUsd }, index) => spentNanoUsd + reservedNanoUsd >= (limits[index] ?? 0n),
    );
    return full < 0 ? null : { kind: 'reserved', budget: full, figures: figures() };
  }

  private end(reservation: Reservation, actual: Actual, isRefund: boolean): readonly BudgetFigures[] {
    const { demand, second } = reservation;
    const nowMs = this.clock.monotonicMs();
    const key = this.keyOf(demand);
    if (key.open.delete(demand.id)) {
      if (isRefund && demand.requestLimit !== null) key.requests.add(second, -1, nowMs);
      if (demand.tokenLimit !== null) {
        const difference = actual.tokens - demand.tokens;
        // What was reserved too much never was; what came on top came now.
        key.tokens.add(difference < 0 ? second : secondOf(nowMs), difference, nowMs);
      }
    }
    return demand.budgets.map((budget) => {
      const counter = this.counterOf(demand, budget);
      counter.expire(nowMs);
      counter.settle(reservation, actual);
      return counter.figures;
    });
  }

  private figures(key: KeyCounts, counters: readonly BudgetCounter[], nowMs: number): LimitFigures {
    return {
      requests: key.requests.figures(nowMs),
      tokens: key.tokens.figures(nowMs),
      budgets: counters.map((counter) => counter.figures),
    };
  }

  private keyOf({ keyId }: LimitDemand): KeyCounts {
    let key = this.keys.get(keyId);
    if (key === undefined) {
      key = { requests: new SlidingWindow(), tokens: new SlidingWindow(), open: new Map() };
      this.keys.set(keyId, key);
    }
    return key;
  }

  private counterAt(demand: LimitDemand, index: number): BudgetCounter {
    const budget = demand.budgets[index];
    if (budget === undefined) throw new Error('There is no such budget in this demand.');
    return this.counterOf(demand, budget);
  }

  private counterOf(demand: LimitDemand, budget: BudgetDemand): BudgetCounter {
    const name = budgetName(demand.organization, budget);
    let counter = this.counters.get(name);
    if (counter === undefined) {
      counter = new BudgetCounter(this.clock.nowMs(), budget.endMs + COUNTER_GRACE_MS);
      this.counters.set(name, counter);
    }
    return counter;
  }

  /** What nobody used for a while goes, so that memory does not grow with every key there ever was. */
  private prune(nowMs: number): void {
    if (nowMs - this.prunedAtMs < PRUNE_INTERVAL_MS) return;
    this.prunedAtMs = nowMs;
    for (const [keyId, { requests, tokens, open }] of this.keys) {
      for (const [id, leaseEndsMs] of open) if (leaseEndsMs <= nowMs) open.delete(id);
      if (open.size === 0 && requests.isIdle(nowMs) && tokens.isIdle(nowMs)) this.keys.delete(keyId);
    }
    const wallMs = this.clock.nowMs();
    for (const [name, counter] of this.counters) if (counter.endOfLifeMs <= wallMs) this.counters.delete(name);
  }
}
