import { dashboard, heatmap, lines, MODEL, PROVIDER, REPLICA, row } from '../layout.mjs';
import { MODELS, mean, quantile, quantiles, REPLICAS, rate, TARGETS } from '../queries.mjs';

const WHOLE = `stream="false", model!="none", ${MODELS}`;

export default dashboard({
  uid: 'aegis-latency',
  title: 'AEGIS: latency',
  about: 'How long answers take, and whose time that is: the provider’s or ours.',
  choices: [REPLICA, MODEL, PROVIDER],
  panels: [
    row('What clients wait for'),
    lines('Whole answers', {
      about: 'From the request line to the last byte, of answers that are no streams.',
      unit: 's',
      queries: quantiles('aegis_request_duration_seconds', WHOLE),
    }),
    heatmap('Whole answers, all of them', {
      about: 'Two bands mean two kinds of requests, which a quantile hides.',
      unit: 's',
      queries: [[`sum by (le) (${rate(`aegis_request_duration_seconds_bucket{${WHOLE}}`)})`, '{{le}}']],
    }),
    lines('Whole answers by model', {
      about: '95 % are faster than this.',
      unit: 's',
      queries: [[quantile(0.95, 'aegis_request_duration_seconds', WHOLE, 'model'), '{{model}}']],
    }),
    lines('First chunk of streams by model', {
      about: '95 % are faster than this. More: the dashboard of streams.',
      unit: 's',
      queries: [[quantile(0.95, 'aegis_stream_time_to_first_chunk_seconds', MODELS, 'model'), '{{model}}']],
    }),
    row('Whose time it is'),
    lines('Mean time of an answer: upstream and overhead', {
      about: 'An attempt at a target, beside what AEGIS adds to a request. A request may make several attempts.',
      unit: 's',
      queries: [
        [mean('aegis_upstream_attempt_duration_seconds', TARGETS), 'upstream, an attempt'],
        [mean('aegis_gateway_overhead_seconds', MODELS), 'overhead, a request'],
      ],
    }),
    lines('Attempts by target', {
      about: '95 % are faster than this; streams count until their last byte.',
      unit: 's',
      queries: [
        [
          quantile(0.95, 'aegis_upstream_attempt_duration_seconds', TARGETS, 'provider', 'model'),
          '{{provider}} {{model}}',
        ],
      ],
    }),
    lines('Overhead of whole answers', {
      about: 'Duration less the time spent waiting on upstreams. Waiting for a place or for a budget counts.',
      unit: 's',
      queries: quantiles('aegis_gateway_overhead_seconds', `stream="false", ${MODELS}`),
    }),
    lines('Overhead of streams', {
      about: 'What AEGIS added before the first chunk.',
      unit: 's',
      queries: quantiles('aegis_gateway_overhead_seconds', `stream="true", ${MODELS}`),
    }),
    row('The process'),
    lines('Event loop', {
      about: 'How late timers ran. Above 100 ms every request of the replica feels it.',
      unit: 's',
      queries: [[`nodejs_eventloop_lag_p99_seconds{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Not taken on', {
      about: 'Requests a second answered 503 overloaded, by what there was too much of: work, open requests, bodies.',
      unit: 'reqps',
      queries: [
        [`sum by (instance, reason) (${rate(`aegis_requests_shed_total{${REPLICAS}}`)})`, '{{instance}} {{reason}}'],
      ],
    }),
    lines('Patience', {
      about: 'How late a new request may be and still be let in. It is short while the process has no idle time.',
      unit: 's',
      queries: [[`aegis_admission_patience_seconds{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Open requests', {
      about: 'Requests without a complete answer, streams among them, and how many of them there may be.',
      unit: 'short',
      queries: [
        [`aegis_requests_in_flight{${REPLICAS}}`, '{{instance}}'],
        [`aegis_requests_in_flight_limit{${REPLICAS}}`, '{{instance}} limit'],
      ],
    }),
    lines('CPU', {
      about: 'Of one core. A worker serves from one: near 100 % for each worker the replica is full.',
      unit: 'percentunit',
      queries: [
        [rate(`process_cpu_seconds_total{${REPLICAS}}`), '{{instance}}'],
        [`aegis_workers{${REPLICAS}}`, '{{instance}} workers'],
      ],
    }),
    lines('Garbage collection', {
      about: 'Share of the time, by kind.',
      unit: 'percentunit',
      queries: [
        [`sum by (instance, kind) (${rate(`nodejs_gc_duration_seconds_sum{${REPLICAS}}`)})`, '{{instance}} {{kind}}'],
      ],
    }),
    lines('Memory', {
      about: 'Resident, and the part that is JavaScript’s heap.',
      unit: 'bytes',
      queries: [
        [`process_resident_memory_bytes{${REPLICAS}}`, '{{instance}} resident'],
        [`nodejs_heap_size_used_bytes{${REPLICAS}}`, '{{instance}} heap'],
      ],
    }),
  ],
});
