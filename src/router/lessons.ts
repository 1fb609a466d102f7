import type { AegisError } from '../domain/errors.js';
import type { Target } from '../domain/target.js';
import { UpstreamError } from '../domain/upstream-error.js';
import type { Passage } from './circuit-breaker.js';
import type { CredentialHealth } from './credential-health.js';
import type { TargetActivity } from './target-activity.js';
import { SlowReaderError } from './upstream-failures.js';

/** How long a target rests whose provider says "too many requests" and not for how long. */
const DEFAULT_COOLDOWN_MS = 1_000;

/** An attempt that is over. `error` is null where the answer is whole. */
export interface EndedAttempt {
  readonly target: Target;
  readonly credential: string;
  readonly passage: Passage;
  readonly error: AegisError | null;
  /** Whether the request's time was over before an answer began: the target may have been given next to none of it. */
  readonly ranOutOfTime: boolean;
  /** The longest rest that a provider may ask for. */
  readonly maxCooldownMs: number;
}

/** Who learns. */
export interface Pupils {
  readonly activity: TargetActivity;
  readonly credentials: CredentialHealth;
}

/** What the end of an attempt teaches about its target, its circuit and its credential. */
export function learnFrom(ended: EndedAttempt, { activity, credentials }: Pupils): void {
  const { target, credential, passage, error } = ended;
  if (error === null) {
    credentials.markAccepted(target.provider, credential);
    passage.succeeded();
    return;
  }
  // Neither a client that leaves or is slow nor a fault of its own tells anything about the target.
  if (!(error instanceof UpstreamError) || !error.mayTryElsewhere || error instanceof SlowReaderError) {
    passage.released();
    return;
  }
  activity.recordFailure(target);
  if (error.disposition === 'credential' || isAccountEmpty(error)) {
    credentials.markRefused(target.provider, credential);
  } else if (error.disposition === 'rate_limited') {
    const pauseMs = error.retryAfterMs ?? DEFAULT_COOLDOWN_MS;
    credentials.markLimited(target, credential, Math.min(pauseMs, ended.maxCooldownMs));
  }
  if (isTargetInTrouble(error, ended.ranOutOfTime)) passage.failed();
  else passage.released();
}

/** A quota that is spent is the account's, and with it the credential's; a request above the whole limit is not. */
export function isAccountEmpty({ disposition, fault }: UpstreamError): boolean {
  if (disposition !== 'exhausted') return false;
  return fault.status === 402 || fault.code === 'insufficient_quota' || fault.type === 'insufficient_quota';
}

/** Whether the same target may do better in a moment. */
export function isWorthRepeating(error: UpstreamError, retry: number): boolean {
  switch (error.disposition) {
    case 'transient':
    case 'rate_limited':
      return true;
    case 'invalid':
      return retry === 0;
    case 'exhausted':
    case 'credential':
    case 'caller':
      return false;
    default:
      return error.disposition satisfies never;
  }
}

function isTargetInTrouble(error: UpstreamError, ranOutOfTime: boolean): boolean {
  if (error.disposition !== 'transient' && error.disposition !== 'invalid') return false;
  // A conflict is about this request.
  if (error.fault.status === 409) return false;
  const isOwnTimeout = error.code === 'upstream_timeout' && error.fault.status === null;
  return !(isOwnTimeout && ranOutOfTime);
}
