import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { request } from 'undici';

export type AttributeValue = string | number | boolean | readonly AttributeValue[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly kind: 'internal' | 'server' | 'client';
  readonly isError: boolean;
  readonly attributes: Attributes;
  readonly resource: Attributes;
  readonly schemaUrl: string;
}

export interface ReceivedPoint {
  readonly metric: string;
  readonly unit: string;
  readonly type: 'histogram' | 'other';
  readonly attributes: Attributes;
  readonly count: number;
  readonly sum: number;
  readonly boundaries: readonly number[];
}

interface KeyValue {
  readonly key: string;
  readonly value: WireValue;
}

interface WireValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly WireValue[] };
}

interface WireSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly kind: number;
  readonly status?: { readonly code?: number };
  readonly attributes?: readonly KeyValue[];
}

interface WirePoint {
  readonly attributes?: readonly KeyValue[];
  readonly count: number | string;
  readonly sum?: number;
  readonly explicitBounds?: readonly number[];
}

interface WireScope {
  readonly schemaUrl?: string;
  readonly spans?: readonly WireSpan[];
  readonly metrics?: readonly {
    readonly name: string;
    readonly unit: string;
    readonly histogram?: { readonly dataPoints: readonly WirePoint[] };
  }[];
}

interface WireResource {
  readonly resource: { readonly attributes: readonly KeyValue[] };
  readonly scopeSpans?: readonly WireScope[];
  readonly scopeMetrics?: readonly WireScope[];
}

interface Stored {
  readonly traces: readonly { readonly resourceSpans: readonly WireResource[] }[];
  readonly metrics: readonly { readonly resourceMetrics: readonly WireResource[] }[];
  readonly requests: readonly { readonly url: string; readonly headers: Record<string, string> }[];
}

const KINDS: Readonly<Record<number, ReceivedSpan['kind']>> = { 1: 'internal', 2: 'server', 3: 'client' };
const STATUS_ERROR = 2;

/** A real receiver of OTLP over HTTP, in a process of its own. */
export class OtlpReceiver {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(): Promise<OtlpReceiver> {
    const child = spawn(process.execPath, [join(process.cwd(), 'test', 'support', 'otlp-receiver.mjs')], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    if (!child.stdout) throw new Error('The receiver has no standard output.');
    const [port] = (await once(createInterface(child.stdout), 'line')) as [string];
    return new OtlpReceiver(child, `http://127.0.0.1:${port}`);
  }

  async close(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  /** Everything it was sent, as text. */
  async raw(): Promise<string> {
    return (await request(`${this.url}/stored`)).body.text();
  }

  async forget(): Promise<void> {
    await (await request(`${this.url}/forget`, { method: 'POST' })).body.dump();
  }

  async spans(): Promise<readonly ReceivedSpan[]> {
    const { traces } = JSON.parse(await this.raw()) as Stored;
    return traces.flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
        scopeSpans.flatMap(({ spans = [], schemaUrl = '' }) =>
          spans.map((span) => ({
            name: span.name,
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId ?? '',
            traceState: span.traceState ?? '',
            kind: KINDS[span.kind] ?? 'internal',
            isError: span.status?.code === STATUS_ERROR,
            attributes: readAttributes(span.attributes),
            resource: readAttributes(resource.attributes),
            schemaUrl,
          })),
        ),
      ),
    );
  }

  async points(): Promise<readonly ReceivedPoint[]> {
    const { metrics } = JSON.parse(await this.raw()) as Stored;
    return metrics.flatMap(({ resourceMetrics }) =>
      resourceMetrics.flatMap(({ scopeMetrics = [] }) =>
        scopeMetrics.flatMap((scope) =>
          (scope.metrics ?? []).flatMap(({ name, unit, histogram }) =>
            (histogram?.dataPoints ?? []).map((point) => ({
              metric: name,
              unit,
              type: histogram ? ('histogram' as const) : ('other' as const),
              attributes: readAttributes(point.attributes),
              count: Number(point.count),
              sum: point.sum ?? 0,
              boundaries: point.explicitBounds ?? [],
            })),
          ),
        ),
      ),
    );
  }
}

function readAttributes(pairs: readonly KeyValue[] = []): Attributes {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: WireValue): AttributeValue {
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(readValue);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? '';
}
