/** Pieces of PromQL that more than one dashboard uses. Metrics and labels: docs/metrics.md. */

/** Increase a second; the window fits the scrape interval and the width of the panel. */
export const rate = (series) => `rate(${series}[$__rate_interval])`;

/** Of a histogram, by its `le` and the given labels. */
export const quantile = (share, histogram, selector, ...labels) =>
  `histogram_quantile(${share}, sum by (${['le', ...labels].join(', ')}) (${rate(`${histogram}_bucket{${selector}}`)}))`;

/** The usual three. */
export const quantiles = (histogram, selector) => [
  [quantile(0.5, histogram, selector), 'half are faster than'],
  [quantile(0.95, histogram, selector), '95 % are faster than'],
  [quantile(0.99, histogram, selector), '99 % are faster than'],
];

export const mean = (histogram, selector, ...labels) => {
  const by = labels.length > 0 ? ` by (${labels.join(', ')})` : '';
  return `sum${by} (${rate(`${histogram}_sum{${selector}}`)}) / sum${by} (${rate(`${histogram}_count{${selector}}`)})`;
};

export const MODELS = 'model=~"$model", instance=~"$instance"';
/** What asks for a model. */
export const ASKED = `model!="none", ${MODELS}`;
/** Requests a second: what asks for a model, and what is refused before it could. Probes are neither. */
export const REQUESTS = `(${rate(`aegis_requests_total{${ASKED}}`)} or ${rate(`aegis_requests_total{code!="none", ${MODELS}}`)})`;
export const TARGETS = 'provider=~"$provider", instance=~"$instance"';
export const SERVED = 'model=~"$model", provider=~"$provider", instance=~"$instance"';
export const REPLICAS = 'instance=~"$instance"';

/** `ignoring(state)` adds the two series that differ in nothing else. */
const worst = (metric, degraded, down, selector, by) => `max by (${by}) (
    ${metric}{state="${degraded}", ${selector}} + ignoring (state) 2 * ${metric}{state="${down}", ${selector}}
  )`;
export const CIRCUIT_STATE = worst('aegis_circuit_state', 'half_open', 'open', TARGETS, 'provider, model');
export const DEPENDENCY_STATE = worst('aegis_dependency_state', 'degraded', 'down', REPLICAS, 'dependency, instance');

export const CIRCUIT_NAMES = { 0: ['closed', 'green'], 1: ['half open', 'yellow'], 2: ['open', 'red'] };
export const DEPENDENCY_NAMES = { 0: ['healthy', 'green'], 1: ['degraded', 'yellow'], 2: ['down', 'red'] };
