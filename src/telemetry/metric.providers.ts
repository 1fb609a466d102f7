import type { FactoryProvider, Provider } from '@nestjs/common';
import { getToken, makeCounterProvider, makeGaugeProvider, makeHistogramProvider } from '@willsoto/nestjs-prometheus';
import type { MetricDefinition } from './metric-definition.js';
import { METRIC_SET, METRICS, type MetricId, type MetricSet } from './metrics.js';

export const METRIC_PROVIDERS: Provider[] = Object.values<MetricDefinition>(METRICS).map((definition) => {
  const { name, help } = definition;
  const labelNames = [...definition.labelNames];
  switch (definition.kind) {
    case 'counter':
      return makeCounterProvider({ name, help, labelNames });
    case 'gauge':
      return makeGaugeProvider({ name, help, labelNames });
    case 'histogram':
      return makeHistogramProvider({ name, help, labelNames, buckets: [...definition.buckets] });
    default:
      return definition satisfies never;
  }
});

const metricToken = (id: MetricId): string => getToken(METRICS[id].name);

const METRIC_IDS = Object.keys(METRICS) as MetricId[];

export const METRIC_SET_PROVIDER: FactoryProvider<MetricSet> = {
  provide: METRIC_SET,
  inject: METRIC_IDS.map(metricToken),
  useFactory: (...metrics: unknown[]) =>
    Object.fromEntries(METRIC_IDS.map((id, index) => [id, metrics[index]])) as unknown as MetricSet,
};
