import type { AuditTrail } from '../domain/audit.js';
import type { AuditEvent } from './audit-record.js';

/** Where events go. */
export interface AuditLog extends AuditTrail {
  /** Returns once the event is with the operating system. Throws where it cannot be written; it counts as lost then. */
  record(event: AuditEvent): void;
  /** Counts an event that there was no room for. */
  lose(): void;
}

/** With `audit.enabled: false`. */
export const disabledAudit: AuditLog = {
  isEnabled: false,
  isWritable: true,
  problem: null,
  depth: 0,
  bytes: 0,
  records: 0,
  checkpoints: 0,
  unsealedMs: 0,
  lost: 0,
  record: () => undefined,
  lose: () => undefined,
};
