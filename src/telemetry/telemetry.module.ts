import { Global, Module } from '@nestjs/common';
import { SnapshotService } from '../config/snapshot.service.js';
import { GATEWAY_OBSERVER } from '../domain/observer.js';
import { WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { AegisLogger } from './aegis.logger.js';
import { CircuitStates } from './circuit-states.js';
import { METRIC_PROVIDERS, METRIC_SET_PROVIDER } from './metric.providers.js';
import { MetricsObserver } from './metrics.observer.js';
import { MetricsServer } from './metrics.server.js';
import { RequestRecorder } from './request.recorder.js';
import { StateGauges } from './state.gauges.js';
import { Tracing } from './tracing/tracing.service.js';

/** Log, metrics, traces. Global, because every room reports to its observer and none may import it. */
@Global()
@Module({
  providers: [
    ...METRIC_PROVIDERS,
    METRIC_SET_PROVIDER,
    {
      provide: AegisLogger,
      inject: [SnapshotService, WORKER_ROLE],
      useFactory: (snapshots: SnapshotService, { primary, number }: WorkerRole) => {
        const { logLevel: level, logFormat: format } = snapshots.current.gateway.telemetry;
        const logger = new AegisLogger({ level, format }, undefined, primary === null ? {} : { worker: number });
        snapshots.changes$.subscribe(({ gateway: { telemetry } }) =>
          logger.apply({ level: telemetry.logLevel, format: telemetry.logFormat }),
        );
        return logger;
      },
    },
    CircuitStates,
    MetricsObserver,
    { provide: GATEWAY_OBSERVER, useExisting: MetricsObserver },
    Tracing,
    RequestRecorder,
    StateGauges,
    MetricsServer,
  ],
  exports: [AegisLogger, GATEWAY_OBSERVER, RequestRecorder, Tracing],
})
export class TelemetryModule {}
