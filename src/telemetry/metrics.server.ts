import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { register } from 'prom-client';
import { SnapshotService } from '../config/snapshot.service.js';
import { WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { AegisLogger } from './aegis.logger.js';
import { measureProcess, openMetricsListener } from './metrics.listener.js';

/** The metrics' own listener: `telemetry.metrics_port`. A worker has none: the primary asks it, and answers for all. */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private listener: NestFastifyApplication | null = null;

  constructor(
    private readonly snapshots: SnapshotService,
    private readonly logger: AegisLogger,
    @Inject(WORKER_ROLE) private readonly role: WorkerRole,
  ) {}

  /** Where the metrics are, e.g. `http://127.0.0.1:9090/metrics`. */
  async url(): Promise<string> {
    return `${(await this.listener?.getUrl()) ?? ''}/metrics`;
  }

  async onApplicationBootstrap(): Promise<void> {
    measureProcess();
    if (this.role.primary !== null) return;
    const { telemetry } = this.snapshots.current.gateway;
    const findToken = (): string => this.snapshots.current.gateway.telemetry.metricsToken;
    this.listener = await openMetricsListener(telemetry, () => register.metrics(), findToken, this.logger);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.listener?.close();
  }
}
