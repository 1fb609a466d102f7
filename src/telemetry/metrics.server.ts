import { Injectable, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { PrometheusModule } from '@willsoto/nestjs-prometheus';
import { SnapshotService } from '../config/snapshot.service.js';
import { AegisLogger } from './aegis.logger.js';

/** `GET /metrics` and nothing else. */
@Module({ imports: [PrometheusModule.register({ path: '/metrics', defaultMetrics: { enabled: true } })] })
class MetricsListenerModule {}

/** The metrics' own listener, apart from the one clients reach: `telemetry.metrics_port`. */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private listener: NestFastifyApplication | null = null;

  constructor(
    private readonly snapshots: SnapshotService,
    private readonly logger: AegisLogger,
  ) {}

  /** Where the metrics are, e.g. `http://127.0.0.1:9090/metrics`. */
  async url(): Promise<string> {
    return `${(await this.listener?.getUrl()) ?? ''}/metrics`;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { metricsHost, metricsPort } = this.snapshots.current.gateway.telemetry;
    this.listener = await NestFactory.create<NestFastifyApplication>(MetricsListenerModule, new FastifyAdapter(), {
      // Not `false`: that would silence Nest's loggers in the whole process, this one's neighbours included.
      logger: this.logger,
      abortOnError: false,
    });
    await this.listener.listen(metricsPort, metricsHost);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.listener?.close();
  }
}
