import cluster from 'node:cluster';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { LocalLimitStore } from '../accounting/limits/local-limit.store.js';
import { answerLimitCall, LIMITS_ROOM } from '../accounting/limits/primary-limit.store.js';
import type { GatewayConfig } from '../config/schema/gateway.config.js';
import { AegisLogger } from '../telemetry/aegis.logger.js';
import { openMetricsListener } from '../telemetry/metrics.listener.js';
import { Fleet, type FleetError } from './fleet.js';
import { FleetMetrics } from './fleet-metrics.js';
import { ScrapeToken } from './scrape-token.js';
import type { Room } from './worker-handle.js';

/** What a worker takes to bring its journals and traces away, once nothing is under way any more. */
const LAST_WORK_MS = 20_000;

/**
 * Starts the processes that serve, on one port that this one holds, and keeps them at their number. Serves no request
 * itself: it hands over connections, answers for the metrics of all, and counts limits for them where there is no Redis.
 */
export class Primary {
  readonly logger: AegisLogger;
  private readonly fleet: Fleet;
  private readonly metrics = new FleetMetrics();
  private listener: NestFastifyApplication | null = null;
  private stopping: Promise<boolean> | null = null;

  /**
   * @param gateway gateway.yaml alone: what else there is the workers read, and say what is wrong with it
   * @param gaveUp told when no worker serves any more and none can be started
   */
  constructor(
    private readonly gateway: GatewayConfig,
    readonly count: number,
    gaveUp: (error: FleetError) => void,
  ) {
    const { logLevel: level, logFormat: format } = gateway.telemetry;
    this.logger = new AegisLogger({ level, format });
    // Amounts of money are 64-bit numbers, which JSON has none of.
    cluster.setupPrimary({ serialization: 'advanced' });
    const limits = new LocalLimitStore();
    const rooms: ReadonlyMap<string, Room> = new Map([[LIMITS_ROOM, (call) => answerLimitCall(limits, call)]]);
    this.fleet = new Fleet(
      count,
      {
        started: (worker) => worker.answerWith(rooms),
        ended: (worker) => this.metrics.bury(worker, this.stopping !== null),
        gaveUp,
      },
      () => this.logger.pino,
    );
  }

  /** Resolves once all workers serve. Throws where none can, or the metrics' port is taken. */
  async start(): Promise<{ readonly url: string; readonly metricsUrl: string }> {
    const { telemetry } = this.gateway;
    const token = new ScrapeToken(telemetry.metricsToken);
    this.listener = await openMetricsListener(
      telemetry,
      () => this.metrics.read(this.fleet.workers),
      () => token.read(),
      this.logger,
    );
    await this.fleet.start();
    return { url: this.fleet.workers[0]?.url ?? '', metricsUrl: `${await this.listener.getUrl()}/metrics` };
  }

  /** Has all workers read the configuration now. */
  reload(): void {
    this.fleet.reload();
  }

  /** Has all workers end as one process would. True where all did, and in time. */
  shutDown(): Promise<boolean> {
    this.stopping ??= this.stop();
    return this.stopping;
  }

  /** Ends them all without waiting. */
  kill(): void {
    this.fleet.kill();
  }

  private async stop(): Promise<boolean> {
    const { shutdownGraceMs, gracefulShutdownMs } = this.gateway.server;
    const isClean = await this.fleet.stop(shutdownGraceMs + gracefulShutdownMs + LAST_WORK_MS);
    await this.listener?.close();
    return isClean;
  }
}
