import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { Actual, BudgetDemand, LimitDemand, Reservation } from './limit-store.js';
import type { RedisLimitStore } from './redis-limit.store.js';

/** Ends of single requests that are kept; more expire by their leases, and the ledger has their cost. */
const MAX_ENTRIES = 20_000;

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

/** What Redis has not been told because it was away: told once it is back, in the order it happened. */
export class UnsettledQueue {
  private readonly logger = new Logger('Limits');
  private readonly entries: Entry[] = [];
  /** What was spent without Redis: one sum a budget, however long that lasts. */
  private readonly charges = new Map<string, Charge>();
  private isCatchingUp = false;

  constructor(private readonly store: RedisLimitStore) {}

  add(reservation: Reservation, actual: Actual | null): void {
    if (this.entries.length >= MAX_ENTRIES) {
      this.entries.shift();
      this.logger.warn('Redis has been away for long: a request that ended meanwhile is left to expire there.');
    }
    this.entries.push({ reservation, actual });
  }

  /** Gives back what may have been granted by an answer that never came. The request stays counted. */
  release(demand: LimitDemand): void {
    const epochs = demand.budgets.map(() => '');
    this.add({ demand, second: 0, epochs }, { tokens: demand.tokens, costNanoUsd: 0n });
  }

  /** `atMs`: milliseconds since 1970. */
  charge(demand: LimitDemand, costNanoUsd: bigint, atMs: number): void {
    if (costNanoUsd === 0n) return;
    for (const budget of demand.budgets) {
      const name = JSON.stringify([demand.organization, budget.scope, budget.subject, budget.startMs, budget.endMs]);
      const charge = this.charges.get(name);
      if (charge) charge.costNanoUsd += costNanoUsd;
      else this.charges.set(name, { demand, budget, costNanoUsd, sinceMs: atMs });
    }
  }

  /** Tells Redis what it can be told now. What fails is kept, under the id it was first told with. Never throws. */
  async catchUp(): Promise<void> {
    if (this.isCatchingUp || !this.store.isAvailable) return;
    this.isCatchingUp = true;
    try {
      for (const { demand, budget, costNanoUsd, sinceMs } of this.charges.values()) {
        const single = { ...demand, id: randomUUID(), budgets: [budget] };
        this.add({ demand: single, second: 0, epochs: [''] }, { tokens: 0, costNanoUsd, atMs: sinceMs });
      }
      this.charges.clear();
      for (let entry = this.entries[0]; entry !== undefined; entry = this.entries[0]) {
        if (entry.actual === null) await this.store.refund(entry.reservation);
        else await this.store.settle(entry.reservation, entry.actual);
        // Nobody else takes from the front, but one that came on top may have pushed it out.
        if (this.entries[0] === entry) this.entries.shift();
      }
    } catch (error) {
      this.logger.debug(`Redis was not told what limits it missed: ${String(error)}`);
    } finally {
      this.isCatchingUp = false;
    }
  }
}
