import { dashboard, lines, MODEL, REPLICA, row } from '../layout.mjs';
import { ASKED, MODELS, REPLICAS, REQUESTS, rate } from '../queries.mjs';

export default dashboard({
  uid: 'aegis-traffic',
  title: 'AEGIS: traffic',
  about: 'Who asks for what, and how it ends.',
  choices: [REPLICA, MODEL],
  panels: [
    row('Requests'),
    lines('By model', {
      about:
        'The alias asked for; `unknown` is any other name, `none` what was refused before its model was looked at.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (model) ${REQUESTS}`, '{{model}}']],
    }),
    lines('By provider that served', {
      about: '`none`: nobody did.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (provider) ${REQUESTS}`, '{{provider}}']],
    }),
    lines('By status', {
      about: '499: the client left.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (status) ${REQUESTS}`, '{{status}}']],
    }),
    lines('Whole answers and streams', {
      about: 'How answers were asked for.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (stream) (${rate(`aegis_request_duration_seconds_count{${ASKED}}`)})`, 'stream: {{stream}}']],
    }),
    lines('By replica', {
      about: 'Lines that lie apart mean that the load balancer favors one.',
      unit: 'reqps',
      queries: [[`sum by (instance) ${REQUESTS}`, '{{instance}}']],
    }),
    lines('Under way', {
      about: 'Requests without a complete answer, and streams among them.',
      queries: [
        [`sum(aegis_requests_in_flight{${REPLICAS}})`, 'requests'],
        [`sum(aegis_streams_open{${REPLICAS}})`, 'streams'],
      ],
    }),
    row('Errors'),
    lines('By cause', {
      about: 'caller, policy, limit, provider or gateway. Errors before a model was named count under model `none`.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (cause) (${rate(`aegis_errors_total{${MODELS}}`)})`, '{{cause}}']],
    }),
    lines('Share of requests, by cause', {
      about: 'Of all requests but probes and lists of models.',
      unit: 'percentunit',
      queries: [
        [
          `sum by (cause) (${rate(`aegis_errors_total{${MODELS}}`)})
            / on () group_left () sum${REQUESTS}`,
          '{{cause}}',
        ],
      ],
    }),
    lines('By code', {
      about: 'The ten most frequent. What each means: docs/errors.md.',
      unit: 'reqps',
      queries: [[`topk(10, sum by (code) (${rate(`aegis_errors_total{${MODELS}}`)}))`, '{{code}}']],
    }),
    lines('By model and cause', {
      about: 'Without those whose cause is the caller.',
      unit: 'reqps',
      queries: [
        [
          `topk(10, sum by (model, cause) (${rate(`aegis_errors_total{cause!="caller", ${MODELS}}`)}))`,
          '{{model}} {{cause}}',
        ],
      ],
    }),
  ],
});
