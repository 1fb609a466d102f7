import type { Provider } from '@nestjs/common';
import { getToken, makeCounterProvider, makeGaugeProvider, makeHistogramProvider } from '@willsoto/nestjs-prometheus';

/** Seconds. From a refusal at the door to a long reasoning answer. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300];
/** Seconds. What AEGIS itself adds. */
const OVERHEAD_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

/**
 * Every metric by name, in the order of `docs/metrics.md`. Labels come from configuration or closed sets, never from a
 * request: an unknown model is `unknown`, whatever its name was.
 */
export const METRICS = {
  requests: {
    kind: 'counter',
    name: 'aegis_requests_total',
    help: 'Requests by the alias asked for, the provider that served them, status and error code.',
    labelNames: ['model', 'provider', 'status', 'code'],
  },
  requestDuration: {
    kind: 'histogram',
    name: 'aegis_request_duration_seconds',
    help: 'From the request line to the last byte of the answer.',
    labelNames: ['model', 'stream'],
    buckets: DURATION_BUCKETS,
  },
  gatewayOverhead: {
    kind: 'histogram',
    name: 'aegis_gateway_overhead_seconds',
    help: 'Request duration less the time spent waiting on upstreams. Completions only: a stream waits while it is relayed.',
    labelNames: ['model'],
    buckets: OVERHEAD_BUCKETS,
  },
  timeToFirstContent: {
    kind: 'histogram',
    name: 'aegis_time_to_first_content_seconds',
    help: 'From the request line to the first content of a stream.',
    labelNames: ['model', 'provider'],
    buckets: DURATION_BUCKETS,
  },
  tokens: {
    kind: 'counter',
    name: 'aegis_tokens_total',
    help: 'Tokens as the provider counted them. cached_input and reasoning are parts of input and output.',
    labelNames: ['model', 'provider', 'direction'],
  },
  cost: {
    kind: 'counter',
    name: 'aegis_cost_usd_total',
    help: 'Cost in USD by the prices of pricing.yaml.',
    labelNames: ['model', 'provider'],
  },
  unpricedRequests: {
    kind: 'counter',
    name: 'aegis_unpriced_requests_total',
    help: 'Requests served by a target without a price, where cost.on_missing_pricing is flag.',
    labelNames: ['model', 'provider'],
  },
  unpricedTargets: {
    kind: 'gauge',
    name: 'aegis_unpriced_targets',
    help: 'Targets of models.yaml that have no price in pricing.yaml.',
    labelNames: [],
  },
  pricingAge: {
    kind: 'gauge',
    name: 'aegis_pricing_age_seconds',
    help: 'Since the day the oldest price in use was looked up. 0 where no price in use is dated.',
    labelNames: [],
  },
  filterActions: {
    kind: 'counter',
    name: 'aegis_filter_actions_total',
    help: 'What filters did, by rule.',
    labelNames: ['filter', 'rule', 'action'],
  },
  attempts: {
    kind: 'counter',
    name: 'aegis_upstream_attempts_total',
    help: 'Attempts at targets by how they ended.',
    labelNames: ['provider', 'model', 'outcome'],
  },
  attemptDuration: {
    kind: 'histogram',
    name: 'aegis_upstream_attempt_duration_seconds',
    help: 'One attempt at a target, first byte sent to last byte read.',
    labelNames: ['provider', 'model'],
    buckets: DURATION_BUCKETS,
  },
  fallbacks: {
    kind: 'counter',
    name: 'aegis_fallbacks_total',
    help: 'Times the next target was tried, by what went wrong at the one before.',
    labelNames: ['model', 'outcome'],
  },
  circuitState: {
    kind: 'gauge',
    name: 'aegis_circuit_state',
    help: "1 for the state a target's circuit breaker is in, 0 for the others. Of several deployments of a model the worst counts. A target that is missing never left closed.",
    labelNames: ['provider', 'model', 'state'],
  },
  circuitOpenings: {
    kind: 'counter',
    name: 'aegis_circuit_openings_total',
    help: "Times a target's circuit breaker opened.",
    labelNames: ['provider', 'model'],
  },
  keyLookups: {
    kind: 'counter',
    name: 'aegis_key_lookups_total',
    help: 'Key look-ups by the tier that answered; none = no store knows the key.',
    labelNames: ['tier'],
  },
  keyEntriesRefused: {
    kind: 'counter',
    name: 'aegis_key_entries_refused_total',
    help: 'Entries of keys in Redis that were not sealed with this pepper, and so were ignored.',
    labelNames: [],
  },
  rateLimited: {
    kind: 'counter',
    name: 'aegis_rate_limited_total',
    help: 'Requests refused by a limit or a budget.',
    labelNames: ['limit'],
  },
  configReloads: {
    kind: 'counter',
    name: 'aegis_config_reloads_total',
    help: 'Reloads of the configuration by outcome.',
    labelNames: ['outcome'],
  },
  dependencyState: {
    kind: 'gauge',
    name: 'aegis_dependency_state',
    help: '1 for the state a dependency is in, 0 for the others.',
    labelNames: ['dependency', 'state'],
  },
  journalRecords: {
    kind: 'counter',
    name: 'aegis_journal_records_total',
    help: 'Usage records written to the journal.',
    labelNames: [],
  },
  journalDepth: {
    kind: 'gauge',
    name: 'aegis_journal_depth',
    help: 'Usage records in the journal that are not in the ledger yet.',
    labelNames: [],
  },
  journalBytes: {
    kind: 'gauge',
    name: 'aegis_journal_bytes',
    help: 'Size of the journal on disk.',
    labelNames: [],
  },
  journalFailures: {
    kind: 'counter',
    name: 'aegis_journal_failures_total',
    help: 'Usage records that could not be written to the journal, or not be read from it again.',
    labelNames: [],
  },
  ledgerShipped: {
    kind: 'counter',
    name: 'aegis_ledger_shipped_total',
    help: 'Usage records that reached the ledger.',
    labelNames: [],
  },
  inFlight: {
    kind: 'gauge',
    name: 'aegis_requests_in_flight',
    help: 'Requests that have no complete answer yet.',
    labelNames: [],
  },
  openStreams: {
    kind: 'gauge',
    name: 'aegis_streams_open',
    help: 'Streams being written.',
    labelNames: [],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricId = keyof typeof METRICS;

interface MetricDefinition {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly buckets?: readonly number[];
}

export const METRIC_PROVIDERS: Provider[] = Object.values<MetricDefinition>(METRICS).map((definition) => {
  const { kind, name, help } = definition;
  const labelNames = [...definition.labelNames];
  switch (kind) {
    case 'counter':
      return makeCounterProvider({ name, help, labelNames });
    case 'gauge':
      return makeGaugeProvider({ name, help, labelNames });
    case 'histogram':
      return makeHistogramProvider({ name, help, labelNames, buckets: [...(definition.buckets ?? [])] });
    default:
      return kind satisfies never;
  }
});

/** Injection token of a metric. */
export const metricToken = (id: MetricId): string => getToken(METRICS[id].name);
