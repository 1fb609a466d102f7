import { AegisError } from '../../domain/errors.js';
import type { LimitName } from '../../domain/observer.js';
import type { LimitDemand } from './limit-store.js';
import type { GrantOutcome } from './limiter.service.js';

const NANO_USD_PER_CENT = 10_000_000n;
/** When a place comes free is nobody's to know. */
const PLACE_RETRY_MS = 1_000;
const STORE_RETRY_MS = 1_000;
/** What fits at no time is worth a try once the limit was changed. */
const NEVER_RETRY_MS = 60_000;

export interface LimitRefusal {
  readonly limit: LimitName;
  readonly error: AegisError;
}

type Refused = Exclude<GrantOutcome, { kind: 'admitted' }>;

/** What the client is told: which limit, whose, and when to come back. `nowMs`: milliseconds since 1970. */
export function describeRefusal(outcome: Refused, demand: LimitDemand, nowMs: number): LimitRefusal {
  switch (outcome.kind) {
    case 'closed': {
      const message = 'Limits cannot be counted at the moment, and this gateway serves nobody uncounted. Try again.';
      return {
        limit: 'store',
        error: new AegisError('dependency_unavailable', message, { retryAfterMs: STORE_RETRY_MS }),
      };
    }
    case 'refused':
      return { limit: outcome.by, error: rateError(outcome, demand) };
    case 'spent':
    case 'reserved': {
      const budget = demand.budgets[outcome.budget];
      if (budget === undefined) throw new Error('There is no such budget in this demand.');
      const whose = { key: 'this API key', team: 'the team', organization: 'the organization' }[budget.scope];
      const amount = formatCents(budget.limitNanoUsd);
      if (outcome.kind === 'reserved') {
        const message = `Requests under way hold what is left of the budget of ${whose} (${amount}). Try again shortly.`;
        const error = new AegisError('rate_limit_exceeded', message, { retryAfterMs: PLACE_RETRY_MS });
        return { limit: `${budget.scope}_budget`, error };
      }
      const spent = formatCents(outcome.figures.budgets[outcome.budget]?.spentNanoUsd ?? 0n);
      const message =
        `The budget of ${whose} is spent: ${spent} of ${amount}. ` +
        `The next one begins at ${new Date(budget.endMs).toISOString()}.`;
      const error = new AegisError('budget_exceeded', message, { retryAfterMs: Math.max(0, budget.endMs - nowMs) });
      return { limit: `${budget.scope}_budget`, error };
    }
    default:
      return outcome satisfies never;
  }
}

function rateError({ by, retryAfterMs, figures }: Extract<Refused, { kind: 'refused' }>, demand: LimitDemand) {
  switch (by) {
    case 'parallel': {
      const message = `This API key may have ${demand.parallelLimit} requests under way at a time, and has. Try again as one ends.`;
      return new AegisError('concurrency_limit_exceeded', message, { retryAfterMs: PLACE_RETRY_MS });
    }
    case 'requests': {
      const message = `This API key may send ${demand.requestLimit} requests a minute; ${figures.requests.used} are counted. ${tryAgain(retryAfterMs)}`;
      return new AegisError('rate_limit_exceeded', message, { retryAfterMs: retryAfterMs ?? NEVER_RETRY_MS });
    }
    case 'tokens': {
      const advice =
        retryAfterMs === null
          ? 'It is too large for this limit: shorten it, or lower max_completion_tokens.'
          : tryAgain(retryAfterMs);
      const message =
        `This API key may use ${demand.tokenLimit} tokens a minute; ${figures.tokens.used} are counted, ` +
        `and this request may need ${demand.tokens}. ${advice}`;
      return new AegisError('rate_limit_exceeded', message, { retryAfterMs: retryAfterMs ?? NEVER_RETRY_MS });
    }
    default:
      return by satisfies never;
  }
}

function tryAgain(retryAfterMs: number | null): string {
  return `Try again in ${Math.ceil((retryAfterMs ?? NEVER_RETRY_MS) / 1000)} s.`;
}

/** `$12.34`; a message need not tell more. */
function formatCents(nanoUsd: bigint): string {
  const cents = nanoUsd / NANO_USD_PER_CENT;
  return `$${cents / 100n}.${(cents % 100n).toString().padStart(2, '0')}`;
}
