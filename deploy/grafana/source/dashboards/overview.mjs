import { dashboard, lines, MODEL, number, PROVIDER, REPLICA, states, table } from '../layout.mjs';
import {
  CIRCUIT_NAMES,
  CIRCUIT_STATE,
  DEPENDENCY_NAMES,
  DEPENDENCY_STATE,
  MODELS,
  quantile,
  REPLICAS,
  REQUESTS,
  rate,
  SERVED,
} from '../queries.mjs';

export default dashboard({
  uid: 'aegis-overview',
  title: 'AEGIS: overview',
  about: 'What is slow, failing or expensive, on one screen. Every other dashboard goes deeper into one of these.',
  choices: [REPLICA, MODEL, PROVIDER],
  panels: [
    number('Requests', {
      about: 'A second; probes and lists of models are left out.',
      unit: 'reqps',
      queries: [[`sum${REQUESTS}`, 'requests']],
    }),
    number('Failed by us or a provider', {
      about: 'Share of requests that failed because of AEGIS or a provider; callers, policy and limits are left out.',
      unit: 'percentunit',
      thresholds: [
        [null, 'green'],
        [0.01, 'yellow'],
        [0.05, 'red'],
      ],
      queries: [
        [
          `sum(${rate(`aegis_errors_total{cause=~"gateway|provider", ${MODELS}}`)})
            / sum${REQUESTS}`,
          'failed',
        ],
      ],
    }),
    number('First chunk', {
      about: '95 % of streams have their first chunk within this.',
      unit: 's',
      queries: [[quantile(0.95, 'aegis_stream_time_to_first_chunk_seconds', SERVED), '95 %']],
    }),
    number('Overhead', {
      about: 'What AEGIS adds to 99 % of requests, at most.',
      unit: 's',
      thresholds: [
        [null, 'green'],
        [0.05, 'yellow'],
        [0.1, 'red'],
      ],
      queries: [[quantile(0.99, 'aegis_gateway_overhead_seconds', MODELS), '99 %']],
    }),
    number('Spending', {
      about: 'USD an hour, at the pace of the last minutes.',
      unit: 'currencyUSD',
      queries: [[`sum(${rate(`aegis_cost_usd_total{${SERVED}}`)}) * 3600`, 'USD an hour']],
    }),
    number('In the journal', {
      about: 'Usage records that are not in the ledger yet: near zero unless PostgreSQL is away.',
      thresholds: [
        [null, 'green'],
        [1000, 'yellow'],
        [100000, 'red'],
      ],
      queries: [[`sum(aegis_journal_depth{${REPLICAS}})`, 'records']],
    }),
    table('Alerts', {
      about: 'What fires now. What to do about each stands in docs/operations.md.',
      queries: [['sort_desc(sum by (alertname, severity) (ALERTS{alertstate="firing"}))', '{{alertname}}']],
    }),
    table('Replicas', {
      about: 'Which replicas run, and what.',
      queries: [[`aegis_build_info{${REPLICAS}}`, '{{instance}}']],
    }),
    lines('Requests by status', {
      about: '499: the client left. A stream that broke counts as its error although its status line said 200.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (status) ${REQUESTS}`, '{{status}}']],
    }),
    lines('Errors by cause', {
      about: 'Who has to do something: the caller, nobody (policy and limits worked), the provider, or us.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (cause) (${rate(`aegis_errors_total{${MODELS}}`)})`, '{{cause}}']],
    }),
    lines('Spending by team', {
      about: 'The ten teams that spend most, USD an hour.',
      unit: 'currencyUSD',
      stack: true,
      queries: [
        [
          `topk(10, sum by (organization, team) (${rate(`aegis_team_cost_usd_total{${MODELS}}`)})) * 3600`,
          '{{organization}} {{team}}',
        ],
      ],
    }),
    lines('Failing attempts by provider', {
      about: 'Attempts that the provider is to blame for, or that it refused; clients need not have seen them.',
      unit: 'reqps',
      queries: [
        [
          `sum by (provider, outcome) (${rate(
            'aegis_upstream_attempts_total{outcome!~"success|caller_fault|cancelled", provider=~"$provider", instance=~"$instance"}',
          )})`,
          '{{provider}} {{outcome}}',
        ],
      ],
    }),
    states('Circuits', {
      about: 'Targets that were left alone at least once since the start. The worst replica counts.',
      states: CIRCUIT_NAMES,
      queries: [[CIRCUIT_STATE, '{{provider}} {{model}}']],
    }),
    states('Stores', {
      about: 'PostgreSQL and Redis as each replica sees them.',
      states: DEPENDENCY_NAMES,
      queries: [[DEPENDENCY_STATE, '{{dependency}} {{instance}}']],
    }),
  ],
});
