import { dashboard, lines, REPLICA, row, table } from '../layout.mjs';
import { REPLICAS, rate } from '../queries.mjs';

const actions = (selector) => rate(`aegis_filter_actions_total{${selector}${selector && ', '}${REPLICAS}}`);

export default dashboard({
  uid: 'aegis-policy',
  title: 'AEGIS: policy and filters',
  about: 'What was found in requests, what was done about it, and who was refused.',
  choices: [REPLICA],
  panels: [
    row('Filters'),
    lines('By action', {
      about: 'What was done: block, redact, flag, raise_to.',
      unit: 'cps',
      stack: true,
      queries: [[`sum by (action) (${actions('')})`, '{{action}}']],
    }),
    lines('By filter', {
      about: 'Which filter found something.',
      unit: 'cps',
      stack: true,
      queries: [[`sum by (filter) (${actions('')})`, '{{filter}}']],
    }),
    lines('By rule', {
      about: 'The ten that find most. One that finds too much is seen here first.',
      unit: 'cps',
      queries: [[`topk(10, sum by (rule) (${actions('')}))`, '{{rule}}']],
    }),
    table('In the time shown, by rule and action', {
      about: 'How often each rule did something.',
      queries: [
        [
          `sort_desc(sum by (filter, rule, action) (increase(aegis_filter_actions_total{${REPLICAS}}[$__range])) > 0)`,
          '{{rule}} {{action}}',
        ],
      ],
    }),
    lines('Filters that failed', {
      about:
        'filter-failed: a fault inside; scan-budget-exceeded: a body made to cost too much. Both refuse the request.',
      unit: 'cps',
      queries: [[`sum by (rule) (${actions('rule=~"filter-failed|scan-budget-exceeded"')})`, '{{rule}}']],
    }),
    lines('Refused by policy', {
      about: 'content_filter, classification_denied, model_not_allowed and the like.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (code) (${rate(`aegis_errors_total{cause="policy", ${REPLICAS}}`)})`, '{{code}}']],
    }),
    row('Limits and keys'),
    lines('Refused by a limit', {
      about: 'Requests and tokens a minute, places, budgets; store: Redis is away and on_store_failure is closed.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (limit) (${rate(`aegis_rate_limited_total{${REPLICAS}}`)})`, '{{limit}}']],
    }),
    lines('Refused keys', {
      about:
        'Requests whose key is missing, malformed, unknown, revoked or expired, and those of addresses that sent too many of them. A rise is a mistake, or somebody trying.',
      unit: 'reqps',
      queries: [
        [
          `sum by (code) (${rate(`aegis_errors_total{code=~"invalid_api_key|authentication_rate_limited", ${REPLICAS}}`)})`,
          '{{code}}',
        ],
      ],
    }),
    lines('Key look-ups by tier', {
      about: 'Who answered: this process, Redis, PostgreSQL; none: no store knows the key.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (tier) (${rate(`aegis_key_lookups_total{${REPLICAS}}`)})`, '{{tier}}']],
    }),
    lines('Key look-ups answered in the process', {
      about: 'Share. Near 1 under load; less while replicas are new.',
      unit: 'percentunit',
      max: 1,
      queries: [
        [
          `sum(${rate(`aegis_key_lookups_total{tier="memory", ${REPLICAS}}`)}) / sum(${rate(`aegis_key_lookups_total{${REPLICAS}}`)})`,
          'memory',
        ],
      ],
    }),
    lines('Entries of keys in Redis that were ignored', {
      about: 'Not sealed with this pepper: another pepper, or somebody writes there. Should be zero.',
      unit: 'cps',
      queries: [[`sum by (instance) (${rate(`aegis_key_entries_refused_total{${REPLICAS}}`)})`, '{{instance}}']],
    }),
  ],
});
