import { dashboard, heatmap, lines, MODEL, PROVIDER, REPLICA } from '../layout.mjs';
import { quantile, quantiles, REPLICAS, rate, SERVED } from '../queries.mjs';

const FIRST = 'aegis_stream_time_to_first_chunk_seconds';
const EACH = 'aegis_stream_time_per_chunk_seconds';
const WHOLE = 'aegis_stream_duration_seconds';

export default dashboard({
  uid: 'aegis-streams',
  title: 'AEGIS: streams',
  about: 'How soon streams begin, how evenly they run, and whether they end.',
  choices: [REPLICA, MODEL, PROVIDER],
  panels: [
    lines('Open', {
      about: 'Streams being written, by replica.',
      queries: [[`aegis_streams_open{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Ended', {
      about: 'Streams that ended, whole or not, by model.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (model) (${rate(`${WHOLE}_count{${SERVED}}`)})`, '{{model}}']],
    }),
    lines('Time to first chunk', {
      about: 'From the request line to the first chunk with content.',
      unit: 's',
      queries: quantiles(FIRST, SERVED),
    }),
    heatmap('Time to first chunk, all of them', {
      about: 'Two bands mean two kinds of streams, which a quantile hides.',
      unit: 's',
      queries: [[`sum by (le) (${rate(`${FIRST}_bucket{${SERVED}}`)})`, '{{le}}']],
    }),
    lines('Time to first chunk by provider', {
      about: '95 % are faster than this.',
      unit: 's',
      queries: [[quantile(0.95, FIRST, SERVED, 'provider', 'model'), '{{provider}} {{model}}']],
    }),
    lines('Time per chunk', {
      about: 'Between a chunk and the next. Readers notice above 0.2 s.',
      unit: 's',
      queries: quantiles(EACH, SERVED),
    }),
    lines('Time per chunk by provider', {
      about: '95 % are faster than this.',
      unit: 's',
      queries: [[quantile(0.95, EACH, SERVED, 'provider', 'model'), '{{provider}} {{model}}']],
    }),
    lines('Chunks', {
      about: 'A second, after the first of each stream.',
      unit: 'short',
      queries: [[`sum by (provider) (${rate(`${EACH}_count{${SERVED}}`)})`, '{{provider}}']],
    }),
    lines('Duration', {
      about: 'Of whole streams, first byte to last.',
      unit: 's',
      queries: quantiles(WHOLE, SERVED),
    }),
    lines('Cut short, by cause', {
      about: 'Streams that ended without [DONE]. caller: the client left, which is no fault of anybody.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (cause) (${rate(`aegis_streams_truncated_total{${SERVED}}`)})`, '{{cause}}']],
    }),
    lines('Share cut short, by provider', {
      about: 'Without those whose client left.',
      unit: 'percentunit',
      queries: [
        [
          `sum by (provider) (${rate(`aegis_streams_truncated_total{cause!="caller", ${SERVED}}`)})
            / sum by (provider) (${rate(`${WHOLE}_count{${SERVED}}`)})`,
          '{{provider}}',
        ],
      ],
    }),
  ],
});
