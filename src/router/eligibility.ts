import type { ConfigSnapshot, ModelRoute } from '../config/snapshot.js';
import { admits, type Classification } from '../domain/classification.js';
import type { RoutingDecision, TargetVerdict } from '../domain/decision.js';
import { AegisError } from '../domain/errors.js';
import { mayUseModel, type Principal } from '../domain/principal.js';
import type { Provider, Target } from '../domain/target.js';

/** When a provider without a free place is worth another try. */
const OVERLOADED_RETRY_MS = 1_000;
/** When a model none of whose targets is configured is worth another try: after an operator acted. */
const UNAVAILABLE_RETRY_MS = 30_000;

/** What eligibility asks of the present; answers may change between two requests. */
export interface HealthView {
  isSaturated(provider: Provider): boolean;
  /** Whether the provider refused every credential there is. */
  isCredentialRefused(provider: Provider): boolean;
  /** Milliseconds until the target's circuit lets a request pass; null where it does now. */
  findCircuitPauseMs(target: Target): number | null;
  /** Milliseconds until the provider's rate limit lets one pass; null where it does now. */
  findCooldownMs(target: Target): number | null;
}

export interface EligibilityInput {
  readonly snapshot: Pick<ConfigSnapshot, 'models' | 'pricing' | 'gateway'>;
  /** Null: nobody's key is asked. */
  readonly principal: Principal | null;
  readonly level: Classification;
  readonly model: string;
  readonly health: HealthView;
  /** A new order of the eligible primaries, as the route's strategy has it. */
  order(route: ModelRoute, primaries: readonly Target[]): readonly Target[];
}

/**
 * Which targets may serve a request, in the order they are tried: eligible primaries as the strategy orders them, then
 * eligible fallbacks in config order. Changes nothing. No target whose ceiling is below the level is ever eligible,
 * whatever else holds. Throws `AegisError` `model_not_found`, or `model_not_allowed` where the principal may not use it.
 */
export function decideTargets(input: EligibilityInput): RoutingDecision {
  const { level } = input;
  const route = getRoute(input);
  let primaries = route.primaries.map((target) => judge(target, input));
  let fallbacks = route.fallbacks.map((target) => judge(target, input));
  if (![...primaries, ...fallbacks].some((verdict) => isEligible(verdict) || isSaturated(verdict))) {
    // A credential refused a moment ago is better than nothing at all: it may have been mended since.
    const anyway = { ...input, health: { ...input.health, isCredentialRefused: () => false } };
    primaries = route.primaries.map((target) => judge(target, anyway));
    fallbacks = route.fallbacks.map((target) => judge(target, anyway));
  }
  const ordered = input.order(route, targetsOf(primaries.filter(isEligible)));
  return {
    model: route.alias,
    level,
    eligible: [...ordered, ...targetsOf(fallbacks.filter(isEligible))],
    // A place may come free while the request waits.
    saturated: targetsOf([...primaries, ...fallbacks].filter(isSaturated)),
    verdicts: [...primaries, ...fallbacks],
  };
}

/** What the client gets where a decision leaves no target. */
export function refusalOf(decision: RoutingDecision): AegisError {
  const name = printableName(decision.model);
  const cleared = decision.verdicts.filter(({ rejection }) => rejection !== 'ceiling');
  if (cleared.length === 0) {
    return new AegisError(
      'classification_denied',
      `No target of model "${name}" is cleared for ${decision.level} data. ` +
        'Ask for a model that is, or for a target with a higher classification ceiling.',
      { param: 'model' },
    );
  }
  const usable = cleared.filter(({ rejection }) => rejection !== 'unconfigured');
  const reasons = new Set(usable.map(({ rejection }) => rejection));
  if (reasons.has('saturated')) return overloadedError(decision.model);
  const pauses = usable.flatMap(({ retryAfterMs }) => (retryAfterMs === undefined ? [] : [retryAfterMs]));
  const retryAfterMs = pauses.length > 0 ? Math.min(...pauses) : UNAVAILABLE_RETRY_MS;
  if (usable.length > 0 && usable.every(({ rejection }) => rejection === 'cooling_down')) {
    return new AegisError(
      'upstream_rate_limited',
      `Every target of model "${name}" is rate limited by its provider. Try again later.`,
      { retryAfterMs },
    );
  }
  if (reasons.has('unpriced') && reasons.size === 1) {
    return new AegisError(
      'pricing_unknown',
      `No target of model "${name}" has a price, and this gateway refuses calls it cannot put a price on.`,
      { param: 'model' },
    );
  }
  return unavailableError(decision.model, retryAfterMs);
}

/** For a model none of whose targets can be asked now. */
export function unavailableError(model: string, retryAfterMs = OVERLOADED_RETRY_MS): AegisError {
  return new AegisError(
    'no_target_available',
    `No target of model "${printableName(model)}" is available now. Try again later.`,
    { retryAfterMs },
  );
}

/** For a model whose usable targets are all busy. */
export function overloadedError(model: string): AegisError {
  return new AegisError(
    'overloaded',
    `Every target of model "${printableName(model)}" is at its limit of parallel requests. Try again later.`,
    { retryAfterMs: OVERLOADED_RETRY_MS },
  );
}

function getRoute({ snapshot, model, principal }: EligibilityInput): ModelRoute {
  const route = snapshot.models.get(model);
  if (!route) {
    throw new AegisError(
      'model_not_found',
      `The model "${printableName(model)}" does not exist. GET /v1/models lists the models this key may use.`,
      { param: 'model' },
    );
  }
  if (principal && !mayUseModel(principal, model)) {
    throw new AegisError('model_not_allowed', `This API key may not use the model "${printableName(model)}".`, {
      param: 'model',
    });
  }
  return route;
}

/** A model's name as a message may carry it: short, on one line, without control characters. */
export function printableName(name: string): string {
  const letters = Array.from(name.slice(0, 256), (letter) => (/[\p{C}\p{Zl}\p{Zp}]/u.test(letter) ? '?' : letter));
  return letters.length > 64 ? `${letters.slice(0, 64).join('')}…` : letters.join('');
}

/** The ceiling comes first: no other reason may hide that a target is not cleared. */
function judge(target: Target, { snapshot, level, health }: EligibilityInput): TargetVerdict {
  const { provider } = target;
  if (!admits(target.classificationCeiling, level)) return { target, rejection: 'ceiling' };
  if (!provider.configured) return { target, rejection: 'unconfigured' };
  const isPriced = snapshot.pricing.prices.has(`${provider.name}/${target.model}`);
  if (!isPriced && snapshot.gateway.cost.onMissingPricing === 'deny') return { target, rejection: 'unpriced' };
  if (health.isCredentialRefused(provider)) return { target, rejection: 'unhealthy_credential' };
  const { enabled } = snapshot.gateway.routing.circuitBreaker;
  const circuitPauseMs = enabled ? health.findCircuitPauseMs(target) : null;
  if (circuitPauseMs !== null) return { target, rejection: 'circuit_open', retryAfterMs: circuitPauseMs };
  const cooldownMs = health.findCooldownMs(target);
  if (cooldownMs !== null) return { target, rejection: 'cooling_down', retryAfterMs: cooldownMs };
  return { target, rejection: health.isSaturated(provider) ? 'saturated' : null };
}

function isEligible(verdict: TargetVerdict): boolean {
  return verdict.rejection === null;
}

function isSaturated(verdict: TargetVerdict): boolean {
  return verdict.rejection === 'saturated';
}

function targetsOf(verdicts: readonly TargetVerdict[]): readonly Target[] {
  return verdicts.map(({ target }) => target);
}
