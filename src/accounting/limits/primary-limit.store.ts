import type { PrimaryLink } from '../../workers/primary-link.js';
import type {
  Actual,
  BudgetFigures,
  KnownSpending,
  LimitDemand,
  LimitStore,
  Reservation,
  ReserveOutcome,
} from './limit-store.js';
import type { LocalLimitStore } from './local-limit.store.js';

/** The part of the primary that counts. */
export const LIMITS_ROOM = 'limits';

type Call =
  | { readonly kind: 'reserve'; readonly demand: LimitDemand; readonly known: readonly (KnownSpending | null)[] }
  | { readonly kind: 'settle'; readonly reservation: Reservation; readonly actual: Actual }
  | { readonly kind: 'refund'; readonly reservation: Reservation }
  | { readonly kind: 'renew'; readonly reservation: Reservation }
  | {
      readonly kind: 'seed';
      readonly demand: LimitDemand;
      readonly budget: number;
      readonly before: KnownSpending;
    };

/** Counts in the process that started the workers, so that a limit holds over all of them where there is no Redis. */
export class PrimaryLimitStore implements LimitStore {
  constructor(private readonly primary: Pick<PrimaryLink, 'ask'>) {}

  reserve(demand: LimitDemand, known: readonly (KnownSpending | null)[]): Promise<ReserveOutcome> {
    return this.call({ kind: 'reserve', demand, known });
  }

  settle(reservation: Reservation, actual: Actual): Promise<readonly BudgetFigures[]> {
    return this.call({ kind: 'settle', reservation, actual });
  }

  refund(reservation: Reservation): Promise<readonly BudgetFigures[]> {
    return this.call({ kind: 'refund', reservation });
  }

  renew(reservation: Reservation): Promise<void> {
    return this.call({ kind: 'renew', reservation });
  }

  seed(demand: LimitDemand, budget: number, before: KnownSpending): Promise<BudgetFigures> {
    return this.call({ kind: 'seed', demand, budget, before });
  }

  private call<Answer>(call: Call): Promise<Answer> {
    // The other end is of the same release: the primary that started this process.
    return this.primary.ask(LIMITS_ROOM, call) as Promise<Answer>;
  }
}

/** The other end of a `PrimaryLimitStore`: answers one of its calls. */
export async function answerLimitCall(store: LocalLimitStore, question: unknown): Promise<unknown> {
  const call = question as Call;
  switch (call.kind) {
    case 'reserve':
      // What one worker knows to be spent, from Redis say, counts for all, whatever was counted here before.
      store.raise(call.demand, call.known);
      return store.reserve(call.demand, call.known);
    case 'settle':
      return store.settle(call.reservation, call.actual);
    case 'refund':
      return store.refund(call.reservation);
    case 'renew':
      return store.renew(call.reservation);
    case 'seed':
      return store.seed(call.demand, call.budget, call.before);
    default:
      return call satisfies never;
  }
}
