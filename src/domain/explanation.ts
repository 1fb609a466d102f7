import type { Classification } from './classification.js';
import type { RejectionReason, RoutingDecision } from './decision.js';
import type { AegisError } from './errors.js';
import type { FilterAction, Finding } from './finding.js';
import type { Principal } from './principal.js';
import type { StrategyName } from './routing-strategy.js';
import type { Target } from './target.js';

/** What would become of a request, were it sent now. */
export interface RoutingForecast {
  readonly decision: RoutingDecision;
  readonly strategy: StrategyName;
  readonly primaries: readonly Target[];
  /** The targets that would be asked, in order: each where all before it fail. */
  readonly callable: readonly Target[];
  /** Targets whose provider cannot express the request, and how that is said. */
  readonly inexpressible: ReadonlyMap<Target, AegisError>;
  readonly outcome: RoutingOutcome;
}

/** `would_wait`: nothing but a lack of places is in the way, and `error` comes where none gets free in time. */
export type RoutingOutcome =
  | { readonly kind: 'would_call' }
  | { readonly kind: 'would_wait'; readonly error: AegisError }
  | { readonly kind: 'refused'; readonly error: AegisError };

/** A routing decision as clients and operators read it. Holds no address and no credential. */
export interface RoutingExplanation {
  readonly object: 'aegis.routing_decision';
  readonly request_id?: string;
  readonly model: string;
  readonly level: Classification;
  /** Null where no key was asked about. */
  readonly key: ExplainedKey | null;
  /** What raised the level above the key's default; null where nothing did. */
  readonly raised_by: RaisedBy | null;
  readonly strategy: StrategyName | null;
  /** Ids of the targets that would be asked, in order. */
  readonly eligible: readonly string[];
  /** Every target of the model, in config order. */
  readonly targets: readonly ExplainedTarget[];
  /** `would_call`, `would_wait`, or the code of the error that the client would get. */
  readonly outcome: string;
  readonly error: ExplainedError | null;
}

export interface ExplainedKey {
  readonly prefix: string;
  readonly default_classification: Classification;
  readonly max_classification: Classification;
}

export interface RaisedBy {
  /** Whether `X-Aegis-Classification` asked for this level. */
  readonly header: boolean;
  /** The rules whose findings asked for it. */
  readonly rules: readonly string[];
}

export interface ExplainedTarget {
  readonly id: string;
  readonly provider: string;
  readonly model: string;
  readonly deployment?: string;
  readonly role: 'primary' | 'fallback';
  readonly classification_ceiling: Classification;
  readonly eligible: boolean;
  readonly reason: RejectionReason | null;
  readonly retry_after_ms?: number;
  /** Why a target that nothing else is in the way of cannot serve this request. */
  readonly cannot_express?: string;
}

export interface ExplainedError {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
  readonly param: string | null;
}

/** What the gateway answers with in the place of a completion. */
export interface ExplanationAnswer {
  readonly kind: 'explanation';
  readonly explanation: RoutingExplanation;
}

/** The level and where it comes from. */
export interface LevelFacts {
  readonly principal: Principal;
  readonly requestedLevel: Classification | null;
  readonly findings: readonly Finding[];
  readonly level: Classification;
}

export function explainForecast(forecast: RoutingForecast): Omit<RoutingExplanation, 'key' | 'raised_by'> {
  const { decision, strategy, callable, outcome } = forecast;
  return {
    object: 'aegis.routing_decision',
    model: decision.model,
    level: decision.level,
    strategy,
    eligible: callable.map(({ id }) => id),
    targets: explainTargets(forecast),
    ...explainOutcome(outcome),
  };
}

export function explainOutcome(outcome: RoutingOutcome): Pick<RoutingExplanation, 'outcome' | 'error'> {
  switch (outcome.kind) {
    case 'would_call':
      return { outcome: 'would_call', error: null };
    case 'would_wait':
      return { outcome: 'would_wait', error: explainError(outcome.error) };
    case 'refused':
      return { outcome: outcome.error.code, error: explainError(outcome.error) };
    default:
      return outcome satisfies never;
  }
}

export function explainKey({ keyPrefix, defaultClassification, maxClassification }: Principal): ExplainedKey {
  return {
    prefix: keyPrefix,
    default_classification: defaultClassification,
    max_classification: maxClassification,
  };
}

/** Null where the level is the key's default. */
export function findRaise({ principal, requestedLevel, findings, level }: LevelFacts): RaisedBy | null {
  if (level === principal.defaultClassification) return null;
  const rules = findings.filter(({ action }) => raisedTo(action) === level).map(({ rule }) => rule);
  return { header: requestedLevel === level, rules: [...new Set(rules)] };
}

function explainTargets({ decision, primaries, callable, inexpressible }: RoutingForecast): ExplainedTarget[] {
  return decision.verdicts.map(({ target, rejection, retryAfterMs }) => {
    const problem = inexpressible.get(target);
    return {
      id: target.id,
      provider: target.provider.name,
      model: target.model,
      ...(target.deployment !== null && { deployment: target.deployment }),
      role: primaries.includes(target) ? 'primary' : 'fallback',
      classification_ceiling: target.classificationCeiling,
      eligible: callable.includes(target),
      reason: rejection,
      ...(retryAfterMs !== undefined && { retry_after_ms: Math.ceil(retryAfterMs) }),
      ...(problem && { cannot_express: problem.message }),
    };
  });
}

function explainError({ status, type, wireCode, message, param }: AegisError): ExplainedError {
  return { status, type, code: wireCode, message, param };
}

function raisedTo(action: FilterAction): Classification | null {
  return typeof action === 'object' ? action.raiseTo : null;
}
