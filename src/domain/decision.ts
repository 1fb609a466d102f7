import type { Classification } from './classification.js';
import type { Target } from './target.js';

/** Why a target was not tried. A closed vocabulary: metrics, logs and `aegis explain` share it. */
export const REJECTION_REASONS = [
  'ceiling',
  'unconfigured',
  'unpriced',
  'unhealthy_credential',
  'circuit_open',
  'cooling_down',
  'saturated',
] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

export interface TargetVerdict {
  readonly target: Target;
  /** Null where the target is eligible. Of several reasons the first of `REJECTION_REASONS`. */
  readonly rejection: RejectionReason | null;
  /** When the reason may be gone, in milliseconds from now; undefined where time alone mends nothing. */
  readonly retryAfterMs?: number;
}

/** Which targets may serve a request, in the order they are tried, and why each other one may not. */
export interface RoutingDecision {
  readonly model: string;
  readonly level: Classification;
  readonly eligible: readonly Target[];
  /** Targets that nothing but a lack of free places keeps from serving. */
  readonly saturated: readonly Target[];
  readonly verdicts: readonly TargetVerdict[];
}
