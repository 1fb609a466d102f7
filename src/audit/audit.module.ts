import { Global, Logger, Module } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { AUDIT_TRAIL } from '../domain/audit.js';
import type { Clock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import { getAuditJournalFolder, journalBytesOf } from '../journal/journal-folder.js';
import { WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { AuditInterceptor } from './audit.interceptor.js';
import { AuditJournal } from './audit.journal.js';
import { AuditRuntime } from './audit.runtime.js';
import { AuditStore } from './audit.store.js';
import { AuditWriter } from './audit.writer.js';
import { type AuditLog, disabledAudit } from './audit-log.js';
import { RequestAuditor } from './request.auditor.js';
import { loadSigningKey } from './signing-key.js';

/** What was decided, so that nobody can change it unseen. Global: health and metrics ask it. */
@Global()
@Module({
  providers: [
    { provide: AUDIT_TRAIL, inject: [SnapshotService, CLOCK, WORKER_ROLE], useFactory: buildAudit },
    AuditStore,
    AuditRuntime,
    RequestAuditor,
    AuditInterceptor,
  ],
  exports: [AUDIT_TRAIL, RequestAuditor, AuditInterceptor],
})
export class AuditModule {}

/** Throws where there is no key to sign with. */
function buildAudit(snapshots: SnapshotService, clock: Clock, role: WorkerRole): AuditLog {
  const { gateway } = snapshots.current;
  const { audit, accounting } = gateway;
  if (!audit.enabled) return disabledAudit;
  const { syncIntervalMs } = accounting;
  const maxBytes = journalBytesOf(gateway, role);
  const journal = new AuditJournal(
    { directory: getAuditJournalFolder(gateway), maxBytes, syncIntervalMs },
    { records: 0, failures: 0 },
    new Logger('AuditJournal'),
  );
  const key = loadSigningKey(audit);
  return new AuditWriter(journal, key, audit, clock, new Logger('Audit'), () => snapshots.current.version);
}
