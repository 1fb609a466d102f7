import { Global, Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { SnapshotService } from '../config/snapshot.service.js';
import { GATEWAY_OBSERVER } from '../domain/observer.js';
import { AegisLogger } from './aegis.logger.js';
import { CircuitStates } from './circuit-states.js';
import { HealthController } from './health.controller.js';
import { METRIC_PROVIDERS } from './metrics.js';
import { MetricsObserver } from './metrics.observer.js';
import { MetricsServer } from './metrics.server.js';
import { RequestRecorder } from './request.recorder.js';

/** Log, metrics, health. Global, because every room reports to its observer and none may import it. */
@Global()
@Module({
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [
    ...METRIC_PROVIDERS,
    {
      provide: AegisLogger,
      inject: [SnapshotService],
      useFactory: ({ current }: SnapshotService) =>
        new AegisLogger({ level: current.gateway.telemetry.logLevel, format: current.gateway.telemetry.logFormat }),
    },
    CircuitStates,
    MetricsObserver,
    { provide: GATEWAY_OBSERVER, useExisting: MetricsObserver },
    RequestRecorder,
    MetricsServer,
  ],
  exports: [AegisLogger, GATEWAY_OBSERVER, RequestRecorder],
})
export class TelemetryModule {}
