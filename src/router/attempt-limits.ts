import type { RoutingConfig } from '../config/schema/gateway.config.js';
import type { Target } from '../domain/target.js';
import type { CallLimits } from './upstream-call.js';

export interface AttemptLimits extends CallLimits {
  /** Until the first content of a stream, in milliseconds from the attempt's start. */
  readonly firstContentMs: number;
  readonly maxAnswerBytes: number;
  readonly maxEventBytes: number;
  readonly maxStreamBytes: number;
}

/**
 * The request's deadline, of which `remainingMs` are left, bounds everything until an answer has begun. A stream that
 * has begun is bounded by its provider's `totalMs`: it is worth more the longer it has run.
 */
export function limitsOf(
  { provider: { timeouts } }: Target,
  { maxAnswerBytes, maxEventBytes, maxStreamBytes }: RoutingConfig,
  isStream: boolean,
  remainingMs: number,
): AttemptLimits {
  return {
    connectMs: timeouts.connectMs,
    firstByteMs: timeouts.firstByteMs,
    idleMs: timeouts.idleMs,
    firstContentMs: Math.min(timeouts.firstContentMs, remainingMs),
    totalMs: isStream ? timeouts.totalMs : Math.min(timeouts.totalMs, remainingMs),
    maxAnswerBytes,
    maxEventBytes,
    maxStreamBytes,
  };
}
