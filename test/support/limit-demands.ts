import { randomUUID } from 'node:crypto';
import type {
  BudgetDemand,
  KnownSpending,
  LimitDemand,
  Reservation,
  ReserveOutcome,
} from '../../src/accounting/limits/limit-store.js';

const DAY_MS = 86_400_000;

/** A demand without any limit, but for the changes. */
export function makeDemand(changes: Partial<LimitDemand> = {}): LimitDemand {
  return {
    id: randomUUID(),
    keyId: 'key-1',
    organization: 'acme',
    team: 'core',
    requestLimit: null,
    tokenLimit: null,
    parallelLimit: null,
    tokens: 0,
    budgets: [],
    ...changes,
  };
}

/** A budget of the key for today (UTC). */
export function makeBudget(limitNanoUsd: bigint, changes: Partial<BudgetDemand> = {}): BudgetDemand {
  const startMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  return {
    scope: 'key',
    subject: 'key-1',
    limitNanoUsd,
    estimateNanoUsd: 0n,
    startMs,
    endMs: startMs + DAY_MS,
    ...changes,
  };
}

/** What somebody knows to be spent; of no life of a counter, but for the one named. */
export function makeKnown(spentNanoUsd: bigint, epoch = ''): KnownSpending {
  return { spentNanoUsd, epoch };
}

export function getReservation(outcome: ReserveOutcome): Reservation {
  if (outcome.kind !== 'admitted') throw new Error(`not admitted: ${outcome.kind}`);
  return outcome.reservation;
}
