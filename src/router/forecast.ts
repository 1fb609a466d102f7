import type { ConfigSnapshot } from '../config/snapshot.js';
import type { RoutingDecision } from '../domain/decision.js';
import type { AegisError } from '../domain/errors.js';
import type { RoutingForecast, RoutingOutcome } from '../domain/explanation.js';
import type { Target } from '../domain/target.js';
import { overloadedError, refusalOf } from './eligibility.js';

export interface ForecastInput {
  /** The one that `decision` was made from. */
  readonly snapshot: Pick<ConfigSnapshot, 'models' | 'gateway'>;
  readonly decision: RoutingDecision;
  /** Why a target's provider cannot take the request; null where it can. */
  findProblem(target: Target): AegisError | null;
}

/** What `FallbackLoop` would do with a decision as long as nobody fails. Asks nobody and changes nothing. */
export function forecast({ snapshot, decision, findProblem }: ForecastInput): RoutingForecast {
  const route = snapshot.models.get(decision.model);
  if (!route) throw new Error('A decision was made for a model that its configuration does not have.');
  const inexpressible = new Map<Target, AegisError>();
  for (const target of [...decision.eligible, ...decision.saturated]) {
    const problem = findProblem(target);
    if (problem) inexpressible.set(target, problem);
  }
  return {
    decision,
    strategy: route.strategy,
    primaries: route.primaries,
    callable: decision.eligible.filter((target) => !inexpressible.has(target)),
    inexpressible,
    outcome: outcomeOf(decision, inexpressible, snapshot.gateway.routing.queueTimeoutMs),
  };
}

function outcomeOf(
  decision: RoutingDecision,
  inexpressible: ReadonlyMap<Target, AegisError>,
  queueTimeoutMs: number,
): RoutingOutcome {
  const { eligible, saturated } = decision;
  if (eligible.length === 0 && saturated.length === 0) return { kind: 'refused', error: refusalOf(decision) };
  for (const target of eligible) {
    const problem = inexpressible.get(target);
    if (!problem) return { kind: 'would_call' };
    if (isLastWord(problem)) return { kind: 'refused', error: problem };
  }
  const lastWord = saturated
    .map((target) => inexpressible.get(target))
    .find((problem) => problem && isLastWord(problem));
  if (lastWord) return { kind: 'refused', error: lastWord };
  const waitable = saturated.filter((target) => !inexpressible.has(target));
  const [firstProblem] = inexpressible.values();
  const error = waitable.length > 0 || !firstProblem ? overloadedError(decision.model) : firstProblem;
  return waitOrRefuse(waitable, error, queueTimeoutMs);
}

function waitOrRefuse(waitable: readonly Target[], error: AegisError, queueTimeoutMs: number): RoutingOutcome {
  const mayWait = queueTimeoutMs > 0 && waitable.some(({ provider }) => provider.maxQueued > 0);
  return { kind: mayWait ? 'would_wait' : 'refused', error };
}

/** Of a parameter that one provider cannot express another one may know; anything else is said to the client at once. */
function isLastWord({ code }: AegisError): boolean {
  return code !== 'unsupported_parameter';
}
