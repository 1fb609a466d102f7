import { dashboard, lines, MODEL, PROVIDER, REPLICA, row, states } from '../layout.mjs';
import { CIRCUIT_NAMES, CIRCUIT_STATE, MODELS, quantile, rate, TARGETS } from '../queries.mjs';

const attempts = (selector) => rate(`aegis_upstream_attempts_total{${selector}${selector && ', '}${TARGETS}}`);
const DURATION = 'aegis_upstream_attempt_duration_seconds';

export default dashboard({
  uid: 'aegis-providers',
  title: 'AEGIS: providers and circuits',
  about: 'How each provider and each target does, and what AEGIS does about it.',
  choices: [REPLICA, MODEL, PROVIDER],
  panels: [
    row('Attempts'),
    lines('By provider', {
      about: 'Every try, retries and fallbacks among them.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (provider) (${attempts('')})`, '{{provider}}']],
    }),
    lines('By outcome', {
      about:
        'caller_fault: the request was wrong. cancelled: nobody waited any more. Neither is a failure of the provider.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (outcome) (${attempts('')})`, '{{outcome}}']],
    }),
    lines('Failures by target', {
      about: 'What the target is to blame for, rate limits and refused credentials included.',
      unit: 'reqps',
      queries: [
        [
          `sum by (provider, model, outcome) (${attempts('outcome!~"success|caller_fault|cancelled"')})`,
          '{{provider}} {{model}} {{outcome}}',
        ],
      ],
    }),
    lines('Share that failed, by provider', {
      about: 'Of its attempts.',
      unit: 'percentunit',
      max: 1,
      queries: [
        [
          `sum by (provider) (${attempts('outcome!~"success|caller_fault|cancelled"')}) / sum by (provider) (${attempts('')})`,
          '{{provider}}',
        ],
      ],
    }),
    lines('Duration, half of them', {
      about: 'Half of the attempts at a target are faster than this.',
      unit: 's',
      queries: [[quantile(0.5, DURATION, TARGETS, 'provider', 'model'), '{{provider}} {{model}}']],
    }),
    lines('Duration, 95 %', {
      about: '95 % of the attempts at a target are faster than this.',
      unit: 's',
      queries: [[quantile(0.95, DURATION, TARGETS, 'provider', 'model'), '{{provider}} {{model}}']],
    }),
    row('What AEGIS does about failures'),
    states('Circuits', {
      about: 'Targets that were left alone at least once since the start. The worst replica counts.',
      states: CIRCUIT_NAMES,
      queries: [[CIRCUIT_STATE, '{{provider}} {{model}}']],
    }),
    lines('Circuits opened', {
      about: 'Times a minute.',
      unit: 'short',
      queries: [
        [
          `sum by (provider, model) (${rate(`aegis_circuit_openings_total{${TARGETS}}`)}) * 60`,
          '{{provider}} {{model}}',
        ],
      ],
    }),
    lines('Retries', {
      about: 'The same target asked again, by what went wrong before.',
      unit: 'reqps',
      stack: true,
      queries: [
        [`sum by (provider, outcome) (${rate(`aegis_retries_total{${TARGETS}}`)})`, '{{provider}} {{outcome}}'],
      ],
    }),
    lines('Fallbacks', {
      about: 'The next target asked, by the alias and what went wrong at the one before.',
      unit: 'reqps',
      stack: true,
      queries: [[`sum by (model, outcome) (${rate(`aegis_fallbacks_total{${MODELS}}`)})`, '{{model}} {{outcome}}']],
    }),
    lines('Rate limits and credentials', {
      about: 'What more quota or another credential would mend.',
      unit: 'reqps',
      queries: [
        [`sum by (provider, outcome) (${attempts('outcome=~"rate_limited|credential"')})`, '{{provider}} {{outcome}}'],
      ],
    }),
    lines('Errors that clients saw', {
      about: 'Where neither a retry nor a fallback helped, by code.',
      unit: 'reqps',
      stack: true,
      queries: [
        [`sum by (model, code) (${rate(`aegis_errors_total{cause="provider", ${MODELS}}`)})`, '{{model}} {{code}}'],
      ],
    }),
  ],
});
