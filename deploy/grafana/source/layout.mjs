/**
 * What a dashboard is made of, in as few words as its author needs: a title, a sentence, queries. Grafana's own form
 * (ids, grid, data source, field settings) is added here and nowhere else.
 */

/** Grafana's grid is 24 wide. */
const GRID_WIDTH = 24;
const DEFAULT_WIDTH = 12;
const DEFAULT_HEIGHT = 8;
const SCHEMA_VERSION = 41;
const DATASOURCE = { type: 'prometheus', uid: 'prometheus' };

/**
 * @typedef {object} PanelText What an author says of a panel.
 * @property {string} about What it shows and what to think of it, for somebody who has not read the manual.
 * @property {readonly (readonly [expression: string, legend: string])[]} queries PromQL and how a line is named.
 * @property {string} [unit] Grafana's id of a unit: `s`, `reqps`, `percentunit`, `currencyUSD`, `bytes`, `short` …
 * @property {number} [width] Of 24.
 * @property {number} [height]
 * @property {boolean} [stack]
 * @property {number} [max] The end of the axis, where it has one.
 * @property {readonly (readonly [from: number | null, color: string])[]} [thresholds]
 * @property {Readonly<Record<number, readonly [text: string, color: string]>>} [states] What numbers mean.
 */

const target = (settings) => (query, index) => ({
  refId: String.fromCharCode(65 + index),
  datasource: DATASOURCE,
  expr: query[0].replace(/\s+/g, ' ').trim(),
  legendFormat: query[1],
  ...settings,
});

function panel(type, title, text, { custom = {}, options = {}, query = {}, transformations } = {}) {
  const { about, queries, unit = 'short', width = DEFAULT_WIDTH, height = DEFAULT_HEIGHT } = text;
  return {
    type,
    title,
    description: about,
    datasource: DATASOURCE,
    gridPos: { w: width, h: height },
    targets: queries.map(target(query)),
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(text.max !== undefined && { max: text.max }),
        // An empty panel of errors is good news, and says so.
        noValue: 'none',
        ...(text.thresholds && {
          color: { mode: 'thresholds' },
          thresholds: { mode: 'absolute', steps: text.thresholds.map(([value, color]) => ({ value, color })) },
        }),
        ...(text.states && { mappings: [valueMappings(text.states)] }),
        custom,
      },
      overrides: [],
    },
    options,
    ...(transformations && { transformations }),
  };
}

const valueMappings = (states) => ({
  type: 'value',
  options: Object.fromEntries(
    Object.entries(states).map(([value, [text, color]], index) => [value, { text, color, index }]),
  ),
});

/** Lines over time. @param {string} title @param {PanelText} text */
export const lines = (title, text) =>
  panel('timeseries', title, text, {
    custom: {
      drawStyle: 'line',
      lineWidth: 1,
      fillOpacity: text.stack ? 40 : 5,
      showPoints: 'never',
      stacking: { mode: text.stack ? 'normal' : 'none' },
    },
    options: {
      legend: { displayMode: 'table', placement: 'right', calcs: ['mean', 'max', 'last'] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  });

/** One number with its history behind it. @param {string} title @param {PanelText} text */
export const number = (title, text) =>
  panel(
    'stat',
    title,
    { width: 4, height: 4, ...text },
    {
      options: {
        reduceOptions: { calcs: ['lastNotNull'] },
        graphMode: 'area',
        colorMode: text.thresholds ? 'background' : 'value',
      },
    },
  );

/** The state of things as bars over time. @param {string} title @param {PanelText} text */
export const states = (title, text) =>
  panel('state-timeline', title, text, {
    custom: { lineWidth: 0, fillOpacity: 80 },
    options: { mergeValues: true, showValue: 'never', legend: { displayMode: 'list', placement: 'bottom' } },
  });

/** How a histogram's observations lie over time; its query has to be `by (le)`. @param {string} title @param {PanelText} text */
export const heatmap = (title, text) =>
  panel('heatmap', title, text, {
    query: { format: 'heatmap' },
    options: {
      calculate: false,
      yAxis: { unit: text.unit ?? 's' },
      color: { mode: 'scheme', scheme: 'Oranges', steps: 64 },
      cellGap: 1,
    },
  });

/** The newest values, a row each. @param {string} title @param {PanelText} text */
export const table = (title, text) =>
  panel('table', title, text, {
    query: { format: 'table', instant: true },
    options: { showHeader: true },
    transformations: [{ id: 'organize', options: { excludeByName: { Time: true, __name__: true, job: true } } }],
  });

/** A heading over the panels that follow. */
export const row = (title) => ({ type: 'row', title, collapsed: false, gridPos: { w: GRID_WIDTH, h: 1 }, panels: [] });

/** A choice at the top of a dashboard: the values of a label, any number of them. */
export const choice = (name, label, metric) => ({
  name,
  label,
  type: 'query',
  datasource: DATASOURCE,
  query: { query: `label_values(${metric}, ${name})`, refId: name },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { text: ['All'], value: ['$__all'] },
});

export const REPLICA = choice('instance', 'Replica', 'aegis_build_info');
export const MODEL = choice('model', 'Model', 'aegis_requests_total');
export const PROVIDER = choice('provider', 'Provider', 'aegis_upstream_attempts_total');

/** Puts panels side by side, as far as there is room, and numbers them. */
function arrange(panels) {
  let x = 0;
  let y = 0;
  let rowHeight = 0;
  return panels.map((each, index) => {
    const { w, h } = each.gridPos;
    if (x + w > GRID_WIDTH) {
      x = 0;
      y += rowHeight;
      rowHeight = 0;
    }
    const gridPos = { x, y, w, h };
    x += w;
    rowHeight = Math.max(rowHeight, h);
    return { id: index + 1, ...each, gridPos };
  });
}

/** @param {{ uid: string, title: string, about: string, choices: object[], panels: object[] }} parts */
export const dashboard = ({ uid, title, about, choices, panels }) => ({
  uid,
  title,
  description: about,
  tags: ['aegis'],
  schemaVersion: SCHEMA_VERSION,
  version: 1,
  editable: false,
  graphTooltip: 1,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  timezone: 'browser',
  links: [{ type: 'dashboards', title: 'AEGIS', tags: ['aegis'], asDropdown: true, keepTime: true, includeVars: true }],
  templating: { list: choices },
  annotations: {
    list: [
      {
        name: 'Configuration loaded',
        datasource: DATASOURCE,
        enable: true,
        iconColor: 'blue',
        expr: 'changes(aegis_config_loaded_timestamp_seconds[1m]) > 0',
        titleFormat: 'Configuration loaded',
        textFormat: '{{instance}}',
      },
    ],
  },
  panels: arrange(panels),
});
