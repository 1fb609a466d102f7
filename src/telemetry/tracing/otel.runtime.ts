import { randomUUID } from 'node:crypto';
import {
  type Attributes,
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { ChatCompletionRequest } from '../../domain/chat.js';
import type { Target } from '../../domain/target.js';
import type { TraceContext } from '../../domain/trace-context.js';
import type { AttemptTrace, RequestTrace } from '../../domain/tracing.js';
import { AEGIS_VERSION } from '../../domain/version.js';
import type { RequestContext } from '../../request-context/request-context.js';
import type { RequestFacts } from '../request-line.js';
import { buildAttemptAttributes, OtelAttempt } from './attempt-span.js';
import { CONVENTIONS_SCHEMA_URL, MAX_ATTRIBUTE_CHARACTERS, OPERATION } from './conventions.js';
import type { ExportWatch } from './export-watch.js';
import { createGenAiMetrics, type GenAiMetrics } from './genai-metrics.js';
import { buildRequestAttributes, isServerFault } from './request-span.js';
import { watchExporter } from './watched-exporter.js';

const SCOPE = 'aegis';
/** Spans that wait to be sent; what comes on top is dropped. */
const MAX_WAITING_SPANS = 2_048;
/** Batches on their way at once; while they are, the queue above fills and then drops. */
const MAX_EXPORTS_UNDER_WAY = 2;
const EXPORT_TIMEOUT_MS = 10_000;
const SPAN_DELAY_MS = 5_000;
const METRIC_INTERVAL_MS = 60_000;

export interface OtelOptions {
  /** `http://collector:4318`, with a path before `/v1/traces` where the collector has one. */
  readonly endpoint: string;
  readonly samplePercent: number;
  readonly watch: ExportWatch;
}

/** Everything of OpenTelemetry there is in the process. Loaded only where an endpoint is configured. */
export class OtelRuntime {
  private readonly tracerProvider: TracerProvider;
  private readonly meterProvider: MeterProvider;
  private readonly tracer: Tracer;
  private readonly metrics: GenAiMetrics;

  constructor({ endpoint, samplePercent, watch }: OtelOptions) {
    const resource = resourceFromAttributes({
      'service.name': 'aegis',
      'service.version': AEGIS_VERSION,
      'service.instance.id': randomUUID(),
    }).merge(detectResources({ detectors: [envDetector] }));
    const timeoutMillis = readMs('OTEL_EXPORTER_OTLP_TIMEOUT', EXPORT_TIMEOUT_MS);
    const options = { concurrencyLimit: MAX_EXPORTS_UNDER_WAY, timeoutMillis };
    this.tracerProvider = new TracerProvider({
      resource,
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplePercent / 100) }),
      spanLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_CHARACTERS },
      spanProcessors: [
        new BatchSpanProcessor({
          exporter: watchExporter(
            new OTLPTraceExporter({ ...options, url: signalUrl(endpoint, 'v1/traces') }),
            (problem) => watch.report('traces', problem),
          ),
          maxQueueSize: MAX_WAITING_SPANS,
          scheduledDelayMillis: readMs('OTEL_BSP_SCHEDULE_DELAY', SPAN_DELAY_MS),
          exportTimeoutMillis: timeoutMillis,
        }),
      ],
    });
    const exportIntervalMillis = readMs('OTEL_METRIC_EXPORT_INTERVAL', METRIC_INTERVAL_MS);
    this.meterProvider = new MeterProvider({
      resource,
      readers: [
        new PeriodicExportingMetricReader({
          exporter: watchExporter(
            new OTLPMetricExporter({ ...options, url: signalUrl(endpoint, 'v1/metrics') }),
            (problem) => watch.report('metrics', problem),
          ),
          exportIntervalMillis,
          exportTimeoutMillis: Math.min(timeoutMillis, exportIntervalMillis),
        }),
      ],
    });
    this.tracer = this.tracerProvider.getTracer(SCOPE, AEGIS_VERSION, { schemaUrl: CONVENTIONS_SCHEMA_URL });
    this.metrics = createGenAiMetrics(
      this.meterProvider.getMeter(SCOPE, AEGIS_VERSION, { schemaUrl: CONVENTIONS_SCHEMA_URL }),
    );
  }

  startRequest(method: string, route: string, client: TraceContext | null): RequestTrace {
    const span = this.tracer.startSpan(
      `${method} ${route}`,
      { kind: SpanKind.SERVER, attributes: { 'http.request.method': method, 'http.route': route } },
      client ? contextOf(client) : ROOT_CONTEXT,
    );
    return new OtelRequest(span, this.tracer, this.metrics);
  }

  endRequest(traced: RequestTrace, context: RequestContext, facts: RequestFacts): void {
    if (!(traced instanceof OtelRequest)) return;
    const { span } = traced;
    span.setAttributes(buildRequestAttributes(context, facts));
    if (isServerFault(facts)) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  async flush(): Promise<void> {
    await Promise.allSettled([this.tracerProvider.forceFlush(), this.meterProvider.forceFlush()]);
  }

  async shutDown(): Promise<void> {
    await Promise.allSettled([this.tracerProvider.shutdown(), this.meterProvider.shutdown()]);
  }
}

class OtelRequest implements RequestTrace {
  readonly traceId: string;
  readonly spanId: string;
  private readonly context: Context;

  constructor(
    readonly span: Span,
    private readonly tracer: Tracer,
    private readonly metrics: GenAiMetrics,
  ) {
    ({ traceId: this.traceId, spanId: this.spanId } = span.spanContext());
    this.context = trace.setSpan(ROOT_CONTEXT, span);
  }

  startAttempt(target: Target, chat: ChatCompletionRequest): AttemptTrace {
    const attributes: Attributes = buildAttemptAttributes(target, chat);
    const span = this.tracer.startSpan(
      `${OPERATION} ${target.model}`,
      // The simulator runs in this process.
      { kind: target.provider.type === 'simulator' ? SpanKind.INTERNAL : SpanKind.CLIENT, attributes },
      this.context,
    );
    return new OtelAttempt(span, target, this.metrics);
  }
}

function contextOf({ traceId, spanId, isSampled, state }: TraceContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
    ...(state !== null && { traceState: createTraceState(state) }),
  });
}

function signalUrl(endpoint: string, path: string): string {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/(?<!\/)\/+$/, '')}/${path}`;
  return url.href;
}

/** The variables that OpenTelemetry's own specification has for it. */
function readMs(name: string, fallbackMs: number): number {
  const value = Number(process.env[name]);
  return Number.isFinite(value) && value > 0 ? value : fallbackMs;
}
