import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { METRICS, type MetricId, type MetricSet } from '../../src/telemetry/metrics.js';

/** All metrics in a registry of their own. */
export function makeMetrics(): { readonly metrics: MetricSet; readonly registry: Registry } {
  const registry = new Registry();
  const make = (id: MetricId): unknown => {
    const { kind, name, help, labelNames } = METRICS[id];
    const options = { name, help, labelNames: [...labelNames], registers: [registry] };
    switch (kind) {
      case 'counter':
        return new Counter(options);
      case 'gauge':
        return new Gauge(options);
      case 'histogram':
        return new Histogram(options);
      default:
        return kind satisfies never;
    }
  };
  const ids = Object.keys(METRICS) as MetricId[];
  return { registry, metrics: Object.fromEntries(ids.map((id) => [id, make(id)])) as unknown as MetricSet };
}
