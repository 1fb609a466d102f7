import { dashboard, lines, MODEL, number, PROVIDER, REPLICA, row, table } from '../layout.mjs';
import { MODELS, REPLICAS, rate, SERVED } from '../queries.mjs';

const DAY = 86_400;

export default dashboard({
  uid: 'aegis-money',
  title: 'AEGIS: money',
  about: 'What is spent, by whom, on what. Metrics are for seeing; the ledger in PostgreSQL is what counts.',
  choices: [REPLICA, MODEL, PROVIDER],
  panels: [
    number('Spent', {
      about: 'USD in the time shown.',
      unit: 'currencyUSD',
      width: 6,
      queries: [[`sum(increase(aegis_cost_usd_total{${SERVED}}[$__range]))`, 'USD']],
    }),
    number('A thousand requests', {
      about: 'What a thousand requests that were served cost, USD.',
      unit: 'currencyUSD',
      width: 6,
      queries: [
        [
          `1000 * sum(${rate(`aegis_cost_usd_total{${SERVED}}`)})
            / sum(${rate(`aegis_requests_total{provider!="none", ${SERVED}}`)})`,
          'USD',
        ],
      ],
    }),
    number('Oldest price', {
      about: 'Since the oldest price in use was looked up. 0: no price in use is dated.',
      unit: 's',
      width: 6,
      thresholds: [
        [null, 'green'],
        [90 * DAY, 'yellow'],
        [180 * DAY, 'red'],
      ],
      queries: [[`max(aegis_pricing_age_seconds{${REPLICAS}})`, 'age']],
    }),
    number('Targets without a price', {
      about: 'What cost.on_missing_pricing decides about.',
      width: 6,
      thresholds: [
        [null, 'green'],
        [1, 'yellow'],
      ],
      queries: [[`max(aegis_unpriced_targets{${REPLICAS}})`, 'targets']],
    }),
    row('By team'),
    lines('An hour, by team', {
      about: 'The twenty that spend most. Past a thousand teams the rest are `other`.',
      unit: 'currencyUSD',
      stack: true,
      queries: [
        [
          `topk(20, sum by (organization, team) (${rate(`aegis_team_cost_usd_total{${MODELS}}`)})) * 3600`,
          '{{organization}} {{team}}',
        ],
      ],
    }),
    table('In the time shown, by team and model', {
      about: 'USD, the dearest first.',
      unit: 'currencyUSD',
      queries: [
        [
          `sort_desc(topk(50, sum by (organization, team, model) (increase(aegis_team_cost_usd_total{${MODELS}}[$__range]))))`,
          '{{organization}} {{team}} {{model}}',
        ],
      ],
    }),
    row('By model'),
    lines('An hour, by model', {
      about: 'The alias that was asked for.',
      unit: 'currencyUSD',
      stack: true,
      queries: [[`sum by (model) (${rate(`aegis_cost_usd_total{${SERVED}}`)}) * 3600`, '{{model}}']],
    }),
    lines('An hour, by provider', {
      about: 'Who sends the bill.',
      unit: 'currencyUSD',
      stack: true,
      queries: [[`sum by (provider) (${rate(`aegis_cost_usd_total{${SERVED}}`)}) * 3600`, '{{provider}}']],
    }),
    row('Tokens'),
    lines('A second, by direction', {
      about: 'cached_input and reasoning are parts of input and output.',
      queries: [[`sum by (direction) (${rate(`aegis_tokens_total{${SERVED}}`)})`, '{{direction}}']],
    }),
    lines('A second, by model', {
      about: 'Input and output together.',
      stack: true,
      queries: [[`sum by (model) (${rate(`aegis_tokens_total{direction=~"input|output", ${SERVED}}`)})`, '{{model}}']],
    }),
    lines('Share of input from caches', {
      about: 'Providers ask less for what they have in their cache.',
      unit: 'percentunit',
      queries: [
        [
          `sum by (model) (${rate(`aegis_tokens_total{direction="cached_input", ${SERVED}}`)})
            / sum by (model) (${rate(`aegis_tokens_total{direction="input", ${SERVED}}`)})`,
          '{{model}}',
        ],
      ],
    }),
    lines('A million tokens, by model', {
      about: 'What input and output came to together, USD.',
      unit: 'currencyUSD',
      queries: [
        [
          `1e6 * sum by (model) (${rate(`aegis_cost_usd_total{${SERVED}}`)})
            / sum by (model) (${rate(`aegis_tokens_total{direction=~"input|output", ${SERVED}}`)})`,
          '{{model}}',
        ],
      ],
    }),
    row('Refused and unpriced'),
    lines('Refused by a budget', {
      about: 'Whose budget was spent: the key’s, the team’s or the organization’s.',
      unit: 'reqps',
      queries: [[`sum by (limit) (${rate(`aegis_rate_limited_total{limit=~".+_budget", ${REPLICAS}}`)})`, '{{limit}}']],
    }),
    lines('Served without a price', {
      about: 'Cost nothing in the ledger, and something at the provider.',
      unit: 'reqps',
      queries: [
        [`sum by (provider, model) (${rate(`aegis_unpriced_requests_total{${SERVED}}`)})`, '{{provider}} {{model}}'],
      ],
    }),
  ],
});
