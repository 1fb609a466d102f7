import type { CostConfig } from '../config/schema/gateway.config.js';
import type { ModelRoute, PriceList } from '../config/snapshot.js';
import { admits, type Classification } from '../domain/classification.js';
import type { RejectionReason, RoutingDecision, TargetVerdict } from '../domain/decision.js';
import { AegisError } from '../domain/errors.js';
import type { Provider, Target } from '../domain/target.js';

/** When a provider without a free place is worth another try. */
const OVERLOADED_RETRY_MS = 1_000;
/** When a model none of whose targets is configured is worth another try: after an operator acted. */
const UNAVAILABLE_RETRY_MS = 30_000;

/** What eligibility asks of the present; answers may change between two requests. */
export interface HealthView {
  isSaturated(provider: Provider): boolean;
  isCredentialRefused(provider: Provider): boolean;
}

export interface EligibilityInput {
  readonly route: ModelRoute;
  readonly level: Classification;
  readonly pricing: PriceList;
  readonly onMissingPricing: CostConfig['onMissingPricing'];
  readonly health: HealthView;
  /** The route's strategy: a new order of the eligible primaries. */
  order(primaries: readonly Target[]): readonly Target[];
}

/**
 * Which targets may serve a request, in the order they are tried: eligible primaries as the strategy orders them, then
 * eligible fallbacks in config order. Pure but for what `order` keeps. No target whose ceiling is below the level is
 * ever eligible, whatever else holds.
 */
export function decideTargets(input: EligibilityInput): RoutingDecision {
  const { route, level } = input;
  let primaries = route.primaries.map((target) => judge(target, input));
  let fallbacks = route.fallbacks.map((target) => judge(target, input));
  if (![...primaries, ...fallbacks].some(isEligible)) {
    // A credential refused a moment ago is better than nothing at all: it may have been mended since.
    primaries = primaries.map(readmitted);
    fallbacks = fallbacks.map(readmitted);
  }
  const eligible = [
    ...input.order(targetsOf(primaries.filter(isEligible))),
    ...targetsOf(fallbacks.filter(isEligible)),
  ];
  return { model: route.alias, level, eligible, verdicts: [...primaries, ...fallbacks] };
}

/** What the client gets where a decision leaves no target. */
export function refusalOf(decision: RoutingDecision): AegisError {
  const reasons = new Set<RejectionReason>();
  for (const { rejection } of decision.verdicts) if (rejection) reasons.add(rejection);
  const name = printableName(decision.model);
  const cleared = decision.verdicts.some(({ rejection }) => rejection !== 'ceiling');
  if (!cleared) {
    return new AegisError(
      'classification_denied',
      `No target of model "${name}" is cleared for ${decision.level} data. ` +
        'Ask for a model that is, or for a target with a higher classification ceiling.',
      { param: 'model' },
    );
  }
  if (reasons.has('saturated')) {
    return overloadedError(decision.model);
  }
  if (reasons.has('unpriced')) {
    return new AegisError(
      'pricing_unknown',
      `No target of model "${name}" has a price, and this gateway refuses calls it cannot put a price on.`,
      { param: 'model' },
    );
  }
  return new AegisError('no_target_available', `No target of model "${name}" is available now. Try again later.`, {
    retryAfterMs: UNAVAILABLE_RETRY_MS,
  });
}

/** For a model whose usable targets are all busy. */
export function overloadedError(model: string): AegisError {
  return new AegisError(
    'overloaded',
    `Every target of model "${printableName(model)}" is at its limit of parallel requests. Try again later.`,
    { retryAfterMs: OVERLOADED_RETRY_MS },
  );
}

/** A model's name as a message may carry it: short, on one line, without control characters. */
export function printableName(name: string): string {
  const letters = Array.from(name.slice(0, 256), (letter) => (/[\p{C}\p{Zl}\p{Zp}]/u.test(letter) ? '?' : letter));
  return letters.length > 64 ? `${letters.slice(0, 64).join('')}…` : letters.join('');
}

function judge(target: Target, input: EligibilityInput): TargetVerdict {
  return { target, rejection: findRejection(target, input) };
}

/** The ceiling comes first: no other reason may hide that a target is not cleared. */
function findRejection(target: Target, input: EligibilityInput): RejectionReason | null {
  if (!admits(target.classificationCeiling, input.level)) return 'ceiling';
  if (!target.provider.configured) return 'unconfigured';
  if (input.onMissingPricing === 'deny' && !input.pricing.prices.has(`${target.provider.name}/${target.model}`)) {
    return 'unpriced';
  }
  if (input.health.isSaturated(target.provider)) return 'saturated';
  if (input.health.isCredentialRefused(target.provider)) return 'unhealthy_credential';
  return null;
}

function readmitted(verdict: TargetVerdict): TargetVerdict {
  return verdict.rejection === 'unhealthy_credential' ? { target: verdict.target, rejection: null } : verdict;
}

function isEligible(verdict: TargetVerdict): boolean {
  return verdict.rejection === null;
}

function targetsOf(verdicts: readonly TargetVerdict[]): readonly Target[] {
  return verdicts.map(({ target }) => target);
}
