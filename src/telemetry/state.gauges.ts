import { Inject, Injectable } from '@nestjs/common';
import type { Counter, Gauge } from 'prom-client';
import { findOldestPriceMs, findUnpricedTargets } from '../config/pricing.js';
import { SnapshotService } from '../config/snapshot.service.js';
import { USAGE_JOURNAL, type UsageJournal } from '../domain/accounting.js';
import { AUDIT_TRAIL, type AuditTrail } from '../domain/audit.js';
import { AEGIS_VERSION } from '../domain/version.js';
import { journalBytesOf } from '../journal/journal-folder.js';
import { WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { METRIC_SET, type MetricSet } from './metrics.js';

/** What is looked up at each scrape: age needs no event to grow, and nobody reports that nothing has changed. */
@Injectable()
export class StateGauges {
  constructor(
    private readonly snapshots: SnapshotService,
    @Inject(USAGE_JOURNAL) journal: UsageJournal,
    @Inject(AUDIT_TRAIL) audit: AuditTrail,
    @Inject(METRIC_SET) metrics: MetricSet,
    @Inject(WORKER_ROLE) role: WorkerRole,
  ) {
    collect(metrics.unpricedTargets, () => findUnpricedTargets(snapshots.current).length);
    collect(metrics.pricingAge, () => this.priceAgeSeconds());
    collect(metrics.configRejected, () => (snapshots.status.lastError === null ? 0 : 1));
    collect(metrics.configLoadedAt, () => snapshots.status.loadedAtMs / 1000);
    collect(metrics.journalLimit, () => journalBytesOf(snapshots.current.gateway, role));
    collect(metrics.journalWritable, () => (journal.isWritable ? 1 : 0));
    collect(metrics.auditUnsealed, () => audit.unsealedMs / 1000);
    collect(metrics.auditDepth, () => audit.depth);
    collect(metrics.auditBytes, () => audit.bytes);
    collect(metrics.auditWritable, () => (audit.isWritable ? 1 : 0));
    collectCount(metrics.auditRecords, () => audit.records);
    collectCount(metrics.auditLost, () => audit.lost);
    collectCount(metrics.auditCheckpoints, () => audit.checkpoints);
    metrics.workers.set(1);
    metrics.buildInfo.set({ version: AEGIS_VERSION, node: process.version }, 1);
  }

  private priceAgeSeconds(): number {
    const oldestMs = findOldestPriceMs(this.snapshots.current);
    return oldestMs === null ? 0 : Math.max(0, Math.floor((Date.now() - oldestMs) / 1000));
  }
}

/** prom-client asks a metric that has a `collect` just before it reads it. */
function collect(gauge: Gauge, read: () => number): void {
  Object.assign(gauge, { collect: () => gauge.set(read()) });
}

/** As `collect`, of what is counted elsewhere since the process began. */
function collectCount(counter: Counter, read: () => number): void {
  Object.assign(counter, {
    collect: () => {
      counter.reset();
      counter.inc(read());
    },
  });
}
