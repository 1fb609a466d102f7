import { rmdirSync } from 'node:fs';
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { DatabaseService } from '../database/database.service.js';
import { AUDIT_TRAIL } from '../domain/audit.js';
import { messageOf } from '../journal/journal-parts.js';
import { AuditPurger } from './audit.purger.js';
import { AuditShipper } from './audit.shipper.js';
import { AuditStore } from './audit.store.js';
import { AuditWriter } from './audit.writer.js';
import type { AuditLog } from './audit-log.js';
import { ChangeIntake } from './change.intake.js';
import { RequestAuditor } from './request.auditor.js';
import { loadSigningKey, loadTrustedKeys } from './signing-key.js';

/** What the journal's rest may take to reach PostgreSQL as the process ends; where it takes longer, it waits there. */
const LAST_SHIPPING_MS = 5_000;
const PURGE_EVERY_MS = 3_600_000;

/** Opens the audit's chain before the first request, ships it while the process lives, and closes it at the end. */
@Injectable()
export class AuditRuntime implements OnModuleInit {
  private readonly logger = new Logger('Audit');

  constructor(
    @Inject(AUDIT_TRAIL) private readonly log: AuditLog,
    private readonly snapshots: SnapshotService,
    private readonly database: DatabaseService,
    private readonly store: AuditStore,
    private readonly auditor: RequestAuditor,
  ) {}

  /** Throws where the journal's folder can never be written. */
  async onModuleInit(): Promise<void> {
    const { log } = this;
    if (!(log instanceof AuditWriter)) return;
    await log.open();
    const shipper = new AuditShipper(log.journal, this.store, log, this.logger);
    const intake = new ChangeIntake(this.database, log, this.logger);
    shipper.start();
    intake.start();
    const reloads = this.followConfiguration();
    const purges = setInterval(() => void this.purge(), PURGE_EVERY_MS).unref();
    // By then no connection is left that a request could come on.
    this.database.beforeClose(async () => {
      clearInterval(purges);
      reloads.unsubscribe();
      await intake.stop();
      this.auditor.flush();
      log.close();
      await shipper.stop(LAST_SHIPPING_MS);
      log.journal.close();
      removeWhereEmpty(log.journal.directory);
    });
  }

  private followConfiguration(): { unsubscribe(): void } {
    let from = this.snapshots.current.version;
    return this.snapshots.changes$.subscribe(({ version: to }) => {
      try {
        this.log.record({ type: 'config.changed', reason: 'reloaded', from, to });
      } catch {
        // Counted as lost.
      }
      from = to;
    });
  }

  /** Every gateway may: what another has removed is removed once. */
  private async purge(): Promise<void> {
    const { gateway, version } = this.snapshots.current;
    const { audit } = gateway;
    const { retentionMs } = audit;
    if (retentionMs === 0 || !this.database.isAvailable) return;
    try {
      const purger = new AuditPurger(this.store, loadSigningKey(audit), version, loadTrustedKeys(audit));
      const { removed } = await purger.purge(new Date(Date.now() - retentionMs));
      if (removed > 0) this.logger.log(`Removed ${removed} audit records that are older than audit.retention.`);
    } catch (error) {
      this.logger.warn(`Old audit records could not be removed: ${messageOf(error)}`);
    }
  }
}

/** Within the usage journal's folder, where nothing is left behind that need not be. */
function removeWhereEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Others write there, or records wait.
  }
}
