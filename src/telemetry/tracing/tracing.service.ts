import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { SnapshotService } from '../../config/snapshot.service.js';
import type { TraceContext } from '../../domain/trace-context.js';
import type { RequestTrace } from '../../domain/tracing.js';
import type { RequestContext } from '../../request-context/request-context.js';
import { METRIC_SET, type MetricSet } from '../metrics.js';
import type { RequestFacts } from '../request-line.js';
import { ExportWatch } from './export-watch.js';
import type { OtelRuntime } from './otel.runtime.js';

const ENDPOINT_VARIABLE = 'OTEL_EXPORTER_OTLP_ENDPOINT';
/** What the process may still wait for as it ends. */
const FLUSH_MS = 3_000;

/**
 * Traces and GenAI metrics over OTLP, where an endpoint is configured: `telemetry.otlp_endpoint`, else the environment's
 * `OTEL_EXPORTER_OTLP_ENDPOINT`. Where none is, nothing of OpenTelemetry is loaded and no span is made.
 */
@Injectable()
export class Tracing implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Telemetry');
  private runtime: OtelRuntime | null = null;

  constructor(
    private readonly snapshots: SnapshotService,
    @Inject(METRIC_SET) private readonly metrics: MetricSet,
  ) {}

  async onModuleInit(): Promise<void> {
    const { otlpEndpoint, traceSamplePercent } = this.snapshots.current.gateway.telemetry;
    const endpoint = findEndpoint(otlpEndpoint, process.env);
    if (endpoint === null) {
      if (process.env[ENDPOINT_VARIABLE] && !isDisabled(process.env)) {
        this.logger.warn(`${ENDPOINT_VARIABLE} is no http:// or https:// address: nothing is traced`);
      }
      return;
    }
    const { OtelRuntime } = await import('./otel.runtime.js');
    const watch = new ExportWatch(this.logger, this.metrics.otlpExports);
    this.runtime = new OtelRuntime({ endpoint, samplePercent: traceSamplePercent, watch });
    this.logger.log(`Traces and metrics go to ${new URL(endpoint).origin}`);
  }

  async onApplicationShutdown(): Promise<void> {
    const { runtime } = this;
    this.runtime = null;
    if (!runtime) return;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_MS);
    });
    await Promise.race([runtime.shutDown(), tooLate]);
    clearTimeout(timer);
  }

  /** Null where nothing is traced. */
  startRequest(method: string, route: string, client: TraceContext | null): RequestTrace | null {
    return this.runtime?.startRequest(method, route, client) ?? null;
  }

  endRequest(trace: RequestTrace, context: RequestContext, facts: RequestFacts): void {
    this.runtime?.endRequest(trace, context, facts);
  }

  /** Sends what has been recorded so far. */
  async flush(): Promise<void> {
    await this.runtime?.flush();
  }
}

function isDisabled({ OTEL_SDK_DISABLED: disabled }: NodeJS.ProcessEnv): boolean {
  return disabled?.toLowerCase() === 'true';
}

export function findEndpoint(configured: string, environment: NodeJS.ProcessEnv): string | null {
  if (isDisabled(environment)) return null;
  const endpoint = configured === '' ? (environment[ENDPOINT_VARIABLE] ?? '').trim() : configured;
  return /^https?:\/\//.test(endpoint) && URL.canParse(endpoint) ? endpoint : null;
}
