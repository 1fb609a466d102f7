import { type Metric, type MetricValue, type MetricValueWithName, Registry } from 'prom-client';
import type { MetricReport } from '../workers/messages.js';
import type { Together } from './metric-definition.js';
import { METRICS } from './metrics.js';

type Reported = MetricReport[number];
type Value = MetricValue<string> | MetricValueWithName<string>;

/** From the best to the worst of the label `state`, of whatever has one. */
const STATES = ['closed', 'healthy', 'half_open', 'degraded', 'open', 'down'];

/** What Node's own gauges are together; those not named here add up. */
const NODE_GAUGES: Readonly<Record<string, Together>> = {
  process_start_time_seconds: 'first',
  nodejs_version_info: 'first',
  nodejs_eventloop_lag_min_seconds: 'min',
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_max_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
};

const TOGETHER: ReadonlyMap<string, Together> = new Map([
  ...Object.entries(NODE_GAUGES),
  ...Object.values(METRICS).flatMap((metric) =>
    metric.kind === 'gauge' ? [[metric.name, metric.together] as const] : [],
  ),
]);

/**
 * What several processes have measured, as if one had: counters and histograms add up, gauges by what they mean. The
 * first report is that of the primary: what one process alone can say is taken from it.
 */
export function mergeReports(reports: readonly MetricReport[]): MetricReport {
  const byName = new Map<string, Reported[]>();
  for (const report of reports) {
    for (const metric of report) {
      const known = byName.get(metric.name);
      if (known) known.push(metric);
      else byName.set(metric.name, [metric]);
    }
  }
  return [...byName.values()].flatMap(mergeMetric);
}

/** What counts for good, also when the process that counted it is gone. */
export function countsOf(report: MetricReport): MetricReport {
  return report.filter(({ type }) => isCount(type));
}

/** Prometheus' text format. */
export function formatReport(report: MetricReport): Promise<string> {
  const registry = new Registry();
  for (const metric of report) {
    // All that a registry asks of a metric in order to print it.
    registry.registerMetric({ ...metric, get: () => Promise.resolve(metric) } as unknown as Metric);
  }
  return registry.metrics();
}

function mergeMetric(metrics: readonly Reported[]): Reported[] {
  const [first] = metrics;
  if (!first) return [];
  const together = isCount(first.type) ? 'sum' : (TOGETHER.get(first.name) ?? 'sum');
  const groups = new Map<string, Value[]>();
  for (const value of metrics.flatMap(({ values }): Value[] => values)) {
    const series = seriesOf(value);
    const known = groups.get(series);
    if (known) known.push(value);
    else groups.set(series, [value]);
  }
  const values = [...groups.values()].flatMap((group): Value[] => {
    const [one] = group;
    return one ? [{ ...one, value: mergeValues(group, together) }] : [];
  });
  return [{ ...first, values: together === 'worst' ? keepWorst(values) : values }];
}

function mergeValues(group: readonly Value[], together: Together): number {
  const numbers = group.map(({ value }) => value);
  switch (together) {
    case 'sum':
      return numbers.reduce((sum, number) => sum + number, 0);
    case 'min':
      return numbers.reduce((least, number) => Math.min(least, number));
    case 'max':
    case 'worst':
      return numbers.reduce((most, number) => Math.max(most, number));
    case 'first':
      return numbers[0] ?? 0;
    default:
      return together satisfies never;
  }
}

/** Of the states that somebody is in, the worst alone stays 1. */
function keepWorst(values: readonly Value[]): Value[] {
  const worst = new Map<string, number>();
  const rankOf = ({ labels }: Value): number => STATES.indexOf(String(labels.state));
  const subjectOf = ({ labels: { state: _state, ...others } }: Value): string => sortedJson(others);
  for (const value of values) {
    if (value.value === 0) continue;
    const subject = subjectOf(value);
    worst.set(subject, Math.max(worst.get(subject) ?? -1, rankOf(value)));
  }
  return values.map((value) => ({ ...value, value: worst.get(subjectOf(value)) === rankOf(value) ? 1 : 0 }));
}

function isCount(type: unknown): boolean {
  // The type says it is a number of an enum; it is a word.
  return type === 'counter' || type === 'histogram';
}

/** A histogram's values have names of their own. */
function seriesOf(value: Value): string {
  return `${'metricName' in value ? value.metricName : ''} ${sortedJson(value.labels)}`;
}

function sortedJson(labels: object): string {
  return JSON.stringify(Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1)));
}
