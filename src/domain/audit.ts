/**
 * The words of the audit, all closed: an event says what was decided in these and in names from the configuration and
 * the key store. `docs/audit.md` lists them; a test holds the two together.
 */
export const AUDIT_EVENT_TYPES = [
  'request.decided',
  'key.changed',
  'budget.changed',
  'config.changed',
  'chain.opened',
  'chain.checkpoint',
  'chain.closed',
  'chain.gap',
  'chain.purged',
] as const;
export type AuditEventType = (typeof AUDIT_EVENT_TYPES)[number];

export const AUDIT_DECISIONS = ['allow', 'deny', 'flag', 'redact', 'pseudonymize', 'raise', 'fallback'] as const;
export type AuditDecision = (typeof AUDIT_DECISIONS)[number];

/** Why a key or a budget is not as it was. */
export const AUDIT_CHANGE_REASONS = ['created', 'updated', 'revoked', 'removed'] as const;
export type AuditChangeReason = (typeof AUDIT_CHANGE_REASONS)[number];

/** The audit's state, for health and metrics. */
export interface AuditTrail {
  readonly isEnabled: boolean;
  /** False where no event can be written: by `audit.on_failure` requests are refused then. */
  readonly isWritable: boolean;
  /** Why nothing can be written; null where it can. */
  readonly problem: string | null;
  /** Records that are not in PostgreSQL yet. */
  readonly depth: number;
  /** The journal's size on disk. */
  readonly bytes: number;
  /** Records written since the start, those of the chain itself included. */
  readonly records: number;
  /** Checkpoints signed since the start. */
  readonly checkpoints: number;
  /** Milliseconds that the oldest record without a seal has waited for it; 0 where every record has one. */
  readonly unsealedMs: number;
  /** Events since the start that could not be written. */
  readonly lost: number;
}

/** Injection token of the `AuditTrail`. */
export const AUDIT_TRAIL = Symbol('AuditTrail');
