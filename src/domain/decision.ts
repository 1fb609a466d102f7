import type { Classification } from './classification.js';
import type { Target } from './target.js';

/** Why a target was not tried. A closed vocabulary: metrics, logs and `aegis explain` share it. */
export const REJECTION_REASONS = ['unconfigured', 'ceiling', 'unpriced', 'saturated', 'unhealthy_credential'] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

export interface TargetVerdict {
  readonly target: Target;
  /** Null where the target is eligible. */
  readonly rejection: RejectionReason | null;
}

/** Which targets may serve a request, in the order they are tried, and why each other one may not. */
export interface RoutingDecision {
  readonly model: string;
  readonly level: Classification;
  readonly eligible: readonly Target[];
  readonly verdicts: readonly TargetVerdict[];
}
