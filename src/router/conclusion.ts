import type { RoutingDecision } from '../domain/decision.js';
import { AegisError } from '../domain/errors.js';
import type { Target } from '../domain/target.js';
import { UpstreamError } from '../domain/upstream-error.js';
import { printableName } from './eligibility.js';

/** A target that failed, and how. */
export interface TargetFailure {
  readonly target: Target;
  readonly error: UpstreamError;
}

/**
 * What the client gets after all attempts have failed: the last failure, except that "rate limited" is said only
 * where every target in `asked` said so, and then with the shortest pause any of them asked for.
 */
export function conclude(
  failures: readonly TargetFailure[],
  asked: readonly Target[],
  decision: RoutingDecision,
): AegisError | undefined {
  const others = failures.filter(({ error }) => !isRateLimit(error));
  if (failures.length === 0 || others.length > 0) {
    const last = others.at(-1)?.error;
    const word = last === failures.at(-1)?.error ? last?.asLastWord() : last;
    return failures.length > 1 && word?.mayTryElsewhere ? word.afterRetries() : word;
  }

  const resting = decision.verdicts.filter(({ rejection }) => rejection === 'cooling_down');
  const pauses = [...failures.map(({ error }) => error), ...resting].flatMap(({ retryAfterMs }) =>
    retryAfterMs === undefined ? [] : [retryAfterMs],
  );
  const options = pauses.length > 0 ? { retryAfterMs: Math.min(...pauses) } : {};
  const name = printableName(decision.model);
  if (!asked.every((target) => failures.some((failure) => failure.target === target))) {
    return new AegisError(
      'no_target_available',
      `No target of model "${name}" is available now. Try again later.`,
      options,
    );
  }
  const mayPass = failures.some(({ error }) => error.disposition === 'rate_limited');
  return new UpstreamError(
    mayPass ? 'rate_limited' : 'exhausted',
    mayPass
      ? `Every target of model "${name}" is rate limited by its provider. Try again later.`
      : `Every target of model "${name}" has spent its quota at its provider.`,
    { status: 429 },
    { ...options, cause: failures.at(-1)?.error },
  );
}

function isRateLimit(error: UpstreamError): boolean {
  return error.code === 'upstream_rate_limited';
}
