/** Who a budget belongs to. */
export const BUDGET_SCOPES = ['key', 'team', 'organization'] as const;
export type BudgetScope = (typeof BUDGET_SCOPES)[number];

/** A budget that a request draws on. All money is nano-USD (10^-9 USD). */
export interface BudgetDemand {
  readonly scope: BudgetScope;
  /** What the scope is called: the key's id, the team's or the organization's name. */
  readonly subject: string;
  readonly limitNanoUsd: bigint;
  /** What the request may cost at most, as far as that can be known beforehand. */
  readonly estimateNanoUsd: bigint;
  /** The window, in milliseconds since 1970; the end is the next one's start. */
  readonly startMs: number;
  readonly endMs: number;
}

/** One name for each window of each budget; names of teams may hold anything, so they are told apart as JSON. */
export function budgetName(
  organization: string,
  { scope, subject, startMs, endMs }: Pick<BudgetDemand, 'scope' | 'subject' | 'startMs' | 'endMs'>,
): string {
  return JSON.stringify([organization, scope, subject, startMs, endMs]);
}

/** Everything that one request draws on, decided in one step: all of it or nothing. */
export interface LimitDemand {
  /** Unique; names the reservation. */
  readonly id: string;
  readonly keyId: string;
  readonly organization: string;
  readonly team: string;
  /** Requests in any 60 seconds; null = unlimited. */
  readonly requestLimit: number | null;
  /** Tokens in any 60 seconds; null = unlimited. */
  readonly tokenLimit: number | null;
  readonly parallelLimit: number | null;
  /** Estimate of prompt and answer together. */
  readonly tokens: number;
  readonly budgets: readonly BudgetDemand[];
}

/** What a demand was granted. Whoever holds it settles or refunds it; what nobody renews expires by itself. */
export interface Reservation {
  readonly demand: LimitDemand;
  /** The second (since 1970, by the store's clock) that requests and tokens were counted in. */
  readonly second: number;
  /** For each budget, the life of the counter it was reserved in: a counter that was lost begins a new one. */
  readonly epochs: readonly string[];
}

/** What may have been granted by an answer that never came, and settled so: the place is free, the request stays counted. */
export function unheard(demand: LimitDemand): { readonly reservation: Reservation; readonly actual: Actual } {
  const epochs = demand.budgets.map(() => '');
  return { reservation: { demand, second: 0, epochs }, actual: { tokens: demand.tokens, costNanoUsd: 0n } };
}

export interface WindowFigures {
  readonly used: number;
  /** Milliseconds until nothing of what is counted now counts any more. */
  readonly resetMs: number;
}

/** What was last known to be spent of a budget, and in which life of its counter. */
export interface KnownSpending {
  readonly spentNanoUsd: bigint;
  /** As in `BudgetFigures`; empty: of none. */
  readonly epoch: string;
  /** Nobody has heard yet what the ledger says: it may be much more, and is worth waiting for. */
  readonly isPart?: boolean;
}

export interface BudgetFigures {
  readonly spentNanoUsd: bigint;
  /** Names the life of the counter: one that was lost begins another. Empty where none is ever lost. */
  readonly epoch: string;
  /** False while the counter, new or lost, has not learned from the ledger what was spent. */
  readonly isSeeded: boolean;
  /** When the counter began, in milliseconds since 1970: it knows by itself what was spent since then. */
  readonly beganAtMs: number;
}

/** As the store stands after its answer. */
export interface LimitFigures {
  readonly requests: WindowFigures;
  readonly tokens: WindowFigures;
  /** In the order of the demand's. */
  readonly budgets: readonly BudgetFigures[];
}

export type ReserveOutcome =
  | { readonly kind: 'admitted'; readonly reservation: Reservation; readonly figures: LimitFigures }
  | {
      readonly kind: 'refused';
      readonly by: 'requests' | 'tokens' | 'parallel';
      /** Milliseconds until there is room, if nobody else takes it; null where nobody can know, or there never is. */
      readonly retryAfterMs: number | null;
      readonly figures: LimitFigures;
    }
  /** `budget`: index in the demand's. `spent`: it is used up. `reserved`: requests under way hold what is left. */
  | { readonly kind: 'spent' | 'reserved'; readonly budget: number; readonly figures: LimitFigures }
  /** A counter that nobody knows anything of: it wants to be seeded first. */
  | { readonly kind: 'unseeded'; readonly figures: LimitFigures };

/** What a request came to. */
export interface Actual {
  readonly tokens: number;
  readonly costNanoUsd: bigint;
  /** When that was known, in milliseconds since 1970; absent: now. */
  readonly atMs?: number;
}

/**
 * Counts. In any 60 seconds at most the limit is admitted: seconds are counted apart, and one counts until it lies
 * wholly behind. A budget admits while `spent + reserved < limit`, so that what is spent exceeds it by less than one
 * request. Every method may throw where the store cannot be asked.
 */
export interface LimitStore {
  /**
   * Asking again with the id of an open reservation grants it once. `known`: for each budget, what was last known to be
   * spent; null = nothing is known. A counter of another life spent at least that before it began, and one of the same
   * life that says less has forgotten some: a Redis that took another's place had not heard of it yet.
   */
  reserve(demand: LimitDemand, known: readonly (KnownSpending | null)[]): Promise<ReserveOutcome>;
  /** Replaces estimates by facts and frees the place. Settling, or refunding, a second time changes nothing. */
  settle(reservation: Reservation, actual: Actual): Promise<readonly BudgetFigures[]>;
  /** As if there had been no such request. */
  refund(reservation: Reservation): Promise<readonly BudgetFigures[]>;
  /** Keeps a reservation from expiring for another `LEASE_MS`. */
  renew(reservation: Reservation): Promise<void>;
  /**
   * Tells a counter what the ledger says was spent before that life of it began. One that was told before keeps what it
   * knows, and one that was lost meanwhile is told nothing: what was spent up to then is not all.
   */
  seed(demand: LimitDemand, budget: number, before: KnownSpending): Promise<BudgetFigures>;
}

/** The time requests and tokens are counted over. */
export const WINDOW_SECONDS = 60;
/** How long a reservation lives that nobody renews: its holder is taken for dead then. */
export const LEASE_MS = 60_000;
/** How long a budget's counter outlives its window, for answers that end late. */
export const COUNTER_GRACE_MS = 86_400_000;
