import type { Counter, Gauge, Histogram } from 'prom-client';
import type { MetricDefinition } from './metric-definition.js';
import { OVERLOAD_METRICS } from './overload.metrics.js';
import { TLS_METRICS } from './tls.metrics.js';

/** Seconds. From a refusal at the door to a long reasoning answer. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300];
/** Seconds. From chunks that came together to a provider that thinks. */
const CHUNK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
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
  errors: {
    kind: 'counter',
    name: 'aegis_errors_total',
    help: 'Requests that failed, streams that broke off included, by whose doing it was.',
    labelNames: ['model', 'provider', 'cause', 'code'],
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
    help: 'Request duration less the time spent waiting on upstreams, back-off included; of streams up to their first chunk, since they wait while they are relayed.',
    labelNames: ['model', 'stream'],
    buckets: OVERHEAD_BUCKETS,
  },
  timeToFirstChunk: {
    kind: 'histogram',
    name: 'aegis_stream_time_to_first_chunk_seconds',
    help: 'From the request line to the first chunk of a stream that has content. Nothing is sent before it.',
    labelNames: ['model', 'provider'],
    buckets: DURATION_BUCKETS,
  },
  timePerChunk: {
    kind: 'histogram',
    name: 'aegis_stream_time_per_chunk_seconds',
    help: 'Between one chunk of a stream and the next, as they come from the provider.',
    labelNames: ['model', 'provider'],
    buckets: CHUNK_BUCKETS,
  },
  streamDuration: {
    kind: 'histogram',
    name: 'aegis_stream_duration_seconds',
    help: 'From the first chunk of a stream to its last byte.',
    labelNames: ['model', 'provider'],
    buckets: DURATION_BUCKETS,
  },
  truncatedStreams: {
    kind: 'counter',
    name: 'aegis_streams_truncated_total',
    help: 'Streams that had begun and ended without [DONE], by whose doing it was. caller: the client left.',
    labelNames: ['model', 'provider', 'cause'],
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
  teamCost: {
    kind: 'counter',
    name: 'aegis_team_cost_usd_total',
    help: 'The same cost by team. Teams past the first 1,000 that a process meets are counted together, as other.',
    labelNames: ['organization', 'team', 'model'],
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
    together: 'max',
    help: 'Targets of models.yaml that have no price in pricing.yaml.',
    labelNames: [],
  },
  pricingAge: {
    kind: 'gauge',
    name: 'aegis_pricing_age_seconds',
    together: 'max',
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
  retries: {
    kind: 'counter',
    name: 'aegis_retries_total',
    help: 'Times the same target was tried again, with another credential or after a pause, by what went wrong before.',
    labelNames: ['provider', 'model', 'outcome'],
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
    together: 'worst',
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
  configRejected: {
    kind: 'gauge',
    name: 'aegis_config_rejected',
    together: 'max',
    help: '1 while the files on disk are not valid and the last good configuration goes on serving, else 0.',
    labelNames: [],
  },
  configLoadedAt: {
    kind: 'gauge',
    name: 'aegis_config_loaded_timestamp_seconds',
    together: 'min',
    help: 'When the configuration that serves was loaded, in seconds since 1970.',
    labelNames: [],
  },
  dependencyState: {
    kind: 'gauge',
    name: 'aegis_dependency_state',
    together: 'worst',
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
    together: 'sum',
    help: 'Usage records in the journal that are not in the ledger yet.',
    labelNames: [],
  },
  journalBytes: {
    kind: 'gauge',
    name: 'aegis_journal_bytes',
    together: 'sum',
    help: 'Size of the journal on disk.',
    labelNames: [],
  },
  journalLimit: {
    kind: 'gauge',
    name: 'aegis_journal_limit_bytes',
    together: 'sum',
    help: 'As large as the journal may grow: accounting.max_journal.',
    labelNames: [],
  },
  journalWritable: {
    kind: 'gauge',
    name: 'aegis_journal_writable',
    together: 'min',
    help: '1 while usage can be recorded, else 0: the disk is full or the journal at its bound.',
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
  auditRecords: {
    kind: 'counter',
    name: 'aegis_audit_records_total',
    help: 'Audit records written, those of the chain itself included.',
    labelNames: [],
  },
  auditLost: {
    kind: 'counter',
    name: 'aegis_audit_lost_total',
    help: 'Audit events that could not be written. The chain says how many it lacks.',
    labelNames: [],
  },
  auditCheckpoints: {
    kind: 'counter',
    name: 'aegis_audit_checkpoints_total',
    help: 'Seals signed over audit records.',
    labelNames: [],
  },
  auditUnsealed: {
    kind: 'gauge',
    name: 'aegis_audit_unsealed_seconds',
    together: 'max',
    help: 'How long the oldest audit record without a seal has waited for it. 0 where every record has one.',
    labelNames: [],
  },
  auditDepth: {
    kind: 'gauge',
    name: 'aegis_audit_depth',
    together: 'sum',
    help: "Audit records in this replica's journal that are not in PostgreSQL yet.",
    labelNames: [],
  },
  auditBytes: {
    kind: 'gauge',
    name: 'aegis_audit_bytes',
    together: 'sum',
    help: "Size of the audit's journal on disk; aegis_journal_limit_bytes bounds it, too.",
    labelNames: [],
  },
  auditWritable: {
    kind: 'gauge',
    name: 'aegis_audit_writable',
    together: 'min',
    help: '1 while decisions can be recorded, else 0. 1 where audit.enabled is false.',
    labelNames: [],
  },
  inFlight: {
    kind: 'gauge',
    name: 'aegis_requests_in_flight',
    together: 'sum',
    help: 'Requests that have no complete answer yet.',
    labelNames: [],
  },
  openStreams: {
    kind: 'gauge',
    name: 'aegis_streams_open',
    together: 'sum',
    help: 'Streams being written.',
    labelNames: [],
  },
  ...OVERLOAD_METRICS,
  ...TLS_METRICS,
  otlpExports: {
    kind: 'counter',
    name: 'aegis_otlp_exports_total',
    help: 'Batches sent to the OTLP endpoint. What fails is lost: it waits nowhere.',
    labelNames: ['signal', 'outcome'],
  },
  workers: {
    kind: 'gauge',
    name: 'aegis_workers',
    together: 'sum',
    help: 'Processes that serve requests and answered this scrape.',
    labelNames: [],
  },
  workerExits: {
    kind: 'counter',
    name: 'aegis_worker_exits_total',
    help: 'Workers that ended without having been told to. Each is replaced.',
    labelNames: [],
  },
  workerScrapesMissed: {
    kind: 'counter',
    name: 'aegis_worker_scrapes_missed_total',
    help: 'Times a worker did not answer a scrape in time: its gauges are missing there, and its counters are older.',
    labelNames: [],
  },
  buildInfo: {
    kind: 'gauge',
    name: 'aegis_build_info',
    together: 'first',
    help: 'Always 1: the release that runs, and its Node.',
    labelNames: ['version', 'node'],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricId = keyof typeof METRICS;

type MetricOf<Kind> = Kind extends 'counter' ? Counter : Kind extends 'gauge' ? Gauge : Histogram;

/** All metrics, each by its id. */
export type MetricSet = { readonly [Id in MetricId]: MetricOf<(typeof METRICS)[Id]['kind']> };

/** Injection token of the `MetricSet`. */
export const METRIC_SET = Symbol('MetricSet');
