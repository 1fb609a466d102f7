import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import {
  type Actual,
  type BudgetDemand,
  type BudgetFigures,
  budgetName,
  type LimitDemand,
  type Reservation,
  unheard,
} from './limit-store.js';
import type { RedisLimitStore } from './redis-limit.store.js';

/** Ends of single requests that are kept; more expire by their leases, and the ledger has their cost. */
const MAX_ENTRIES = 20_000;
/** So many are told at once: as many as Redis answers well within the time that one is waited for. */
const TOLD_AT_ONCE = 20;

interface Entry {
  readonly reservation: Reservation;
  /** Null: refunded. */
  readonly actual: Actual | null;
}

interface Charge {
  readonly demand: LimitDemand;
  readonly budget: BudgetDemand;
  costNanoUsd: bigint;
  /** When the first of it was spent. */
  readonly sinceMs: number;
}

/** A sum that Redis was told at least once, and may have heard: it changes no more, and neither does its id. */
interface Told {
  readonly reservation: Reservation;
  readonly actual: Actual;
  flight: Promise<void> | null;
}

/** What Redis has not been told because it was away: told once it is back. */
export class UnsettledQueue {
  private readonly logger = new Logger('Limits');
  private readonly entries = new Set<Entry>();
  /** What was spent without Redis: one sum a budget, however long that lasts, beside the one it was told of. */
  private readonly charges = new Map<string, Charge>();
  private readonly told = new Map<string, Told>();
  private run: Promise<void> | null = null;

  constructor(
    private readonly store: RedisLimitStore,
    /** Hears what the counters say once they were told. */
    private readonly learn: (demand: LimitDemand, figures: readonly BudgetFigures[]) => void = () => undefined,
    private readonly mostEntries = MAX_ENTRIES,
  ) {}

  add(reservation: Reservation, actual: Actual | null): void {
    if (this.entries.size >= this.mostEntries) {
      // What costs nothing may expire; it takes no place from what does.
      if (!actual?.costNanoUsd) return;
      for (const oldest of take(this.entries, 1)) this.entries.delete(oldest);
      this.logger.warn('Redis has been away for long: a request that ended meanwhile is left to expire there.');
    }
    this.entries.add({ reservation, actual });
  }

  /** Gives back what may have been granted by an answer that never came. */
  release(demand: LimitDemand): void {
    const { reservation, actual } = unheard(demand);
    this.add(reservation, actual);
  }

  /** `atMs`: milliseconds since 1970. */
  charge(demand: LimitDemand, costNanoUsd: bigint, atMs: number): void {
    if (costNanoUsd === 0n) return;
    for (const budget of demand.budgets) {
      const name = budgetName(demand.organization, budget);
      const charge = this.charges.get(name);
      if (charge) charge.costNanoUsd += costNanoUsd;
      else this.charges.set(name, { demand, budget, costNanoUsd, sinceMs: atMs });
    }
  }

  /** Tells what was spent of these budgets without Redis; travels with what is asked next, and ahead of it. */
  tellOf(demand: LimitDemand): void {
    if (this.charges.size + this.told.size === 0) return;
    for (const budget of demand.budgets)
      void this.tellSum(budgetName(demand.organization, budget)).catch(() => undefined);
  }

  /**
   * Tells Redis what it can be told now; returns once that is done, whoever began it. What fails is kept, under the id
   * it was first told with. Never throws.
   */
  catchUp(): Promise<void> {
    this.run ??= this.tellAll().finally(() => {
      this.run = null;
    });
    return this.run;
  }

  private async tellAll(): Promise<void> {
    if (!this.store.isAvailable) return;
    try {
      while (this.entries.size + this.charges.size + this.told.size > 0) {
        const ends = take(this.entries, TOLD_AT_ONCE);
        const names = take(new Set([...this.told.keys(), ...this.charges.keys()]), TOLD_AT_ONCE - ends.length);
        await Promise.all([...ends.map((entry) => this.tellEnd(entry)), ...names.map((name) => this.tellSum(name))]);
      }
    } catch (error) {
      this.logger.debug(`Redis was not told what limits it missed: ${String(error)}`);
    }
  }

  private async tellEnd(entry: Entry): Promise<void> {
    const { reservation, actual } = entry;
    const figures = await (actual ? this.store.settle(reservation, actual) : this.store.refund(reservation));
    this.entries.delete(entry);
    this.learn(reservation.demand, figures);
  }

  private async tellSum(name: string): Promise<void> {
    const told = this.told.get(name) ?? this.beginToTell(name);
    if (told === null) return;
    told.flight ??= this.store.settle(told.reservation, told.actual).then(
      (figures) => {
        this.told.delete(name);
        this.learn(told.reservation.demand, figures);
      },
      (error: unknown) => {
        told.flight = null;
        throw error;
      },
    );
    await told.flight;
  }

  private beginToTell(name: string): Told | null {
    const charge = this.charges.get(name);
    if (charge === undefined) return null;
    this.charges.delete(name);
    const { demand, budget, costNanoUsd, sinceMs } = charge;
    const reservation = { demand: { ...demand, id: randomUUID(), budgets: [budget] }, second: 0, epochs: [''] };
    const told: Told = { reservation, actual: { tokens: 0, costNanoUsd, atMs: sinceMs }, flight: null };
    this.told.set(name, told);
    return told;
  }
}

function take<T>(all: Iterable<T>, count: number): T[] {
  const some: T[] = [];
  for (const each of all) {
    if (some.length >= count) break;
    some.push(each);
  }
  return some;
}
