import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import type { Clock } from '../../domain/clock.js';
import { systemClock } from '../../domain/clock.js';
import { CLOCK } from '../../domain/observer.js';
import { type BudgetFigures, budgetName, type LimitDemand, type LimitStore } from './limit-store.js';
import { SpendingRepository } from './spending.repository.js';

/** How long a request waits for the ledger before it goes on with what is known. */
const PATIENCE_MS = 1_000;
/** How long a ledger that could not be asked is left alone; doubles while it cannot. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** Tells counters that are new, or that Redis lost, what the ledger says. One question at a time for each. */
@Injectable()
export class BudgetSeeder {
  private readonly logger = new Logger('Budgets');
  private readonly clock: Clock;
  private readonly underWay = new Map<string, Promise<void>>();
  private pausedUntilMs = 0;
  private pauseMs = FIRST_PAUSE_MS;

  constructor(
    private readonly spending: SpendingRepository,
    @Optional() @Inject(CLOCK) clock?: Clock,
  ) {
    this.clock = clock ?? systemClock;
  }

  /** Returns once all of them are seeded, or it takes too long, or cannot be done now. Never throws. */
  async seedAll(store: LimitStore, demand: LimitDemand, figures: readonly BudgetFigures[]): Promise<void> {
    if (this.clock.monotonicMs() < this.pausedUntilMs) return;
    const seeds = Promise.all(
      figures.map((budget, index) => budget.isSeeded || this.seed(store, demand, index, budget)),
    );
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([seeds, patience]);
    clearTimeout(timer);
  }

  private seed(
    store: LimitStore,
    demand: LimitDemand,
    index: number,
    { epoch, beganAtMs }: BudgetFigures,
  ): Promise<void> {
    const budget = demand.budgets[index];
    if (budget === undefined) return Promise.resolve();
    const name = `${epoch} ${budgetName(demand.organization, budget)}`;
    let flight = this.underWay.get(name);
    if (flight === undefined) {
      flight = this.spending
        .sumEnded(demand.organization, budget, beganAtMs)
        .then((spentNanoUsd) => store.seed(demand, index, { spentNanoUsd, epoch }))
        .then(
          () => {
            this.pauseMs = FIRST_PAUSE_MS;
          },
          (error: unknown) => {
            const nowMs = this.clock.monotonicMs();
            // Several that fail together count as one.
            if (nowMs < this.pausedUntilMs) return;
            this.pausedUntilMs = nowMs + this.pauseMs;
            this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
            this.logger.warn(
              `The ledger was not asked what was spent, budgets go on from what is known: ${String(error)}`,
            );
          },
        )
        .finally(() => this.underWay.delete(name));
      this.underWay.set(name, flight);
    }
    return flight;
  }
}
