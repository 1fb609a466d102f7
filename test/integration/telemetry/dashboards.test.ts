import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type BusyGateway, startBusyGateway } from '../../support/busy-gateway.js';
import { describeWithPrometheus, startPrometheus, type TestPrometheus } from '../../support/prometheus.js';
import { describeWithRedis, startRedis, type TestRedis } from '../../support/redis.js';
import { waitUntil } from '../auth/replica.js';

interface Dashboard {
  readonly title: string;
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: { readonly query: string } }[];
  };
}

const FOLDER = path.join(process.cwd(), 'deploy', 'grafana', 'dashboards');
const DEPLOY = path.join(process.cwd(), 'deploy', 'prometheus');
/** What the waves are bad enough for. */
const EXPECTED_ALERTS = [
  'AegisBudgetSpent',
  'AegisCircuitOpen',
  'AegisConfigRejected',
  'AegisFallbacks',
  'AegisProviderDown',
  'AegisProviderErrors',
  'AegisProviderRateLimits',
  'AegisProviderRefusesCredential',
  'AegisStreamsCutShort',
  'AegisTargetUnpriced',
];
/** Panels of what does not go wrong here, or is over between two scrapes. */
const MAY_BE_ZERO = new Set([
  'Stores',
  'PostgreSQL and Redis',
  'In the journal',
  'Waiting for PostgreSQL',
  'Failures',
  'Audit records and seals',
  'Entries of keys in Redis that were ignored',
  'Garbage collection',
  'Workers that ended',
  'Not taken on',
  'Audit records waiting for PostgreSQL',
  'Certificate on disk',
  'Handshakes that failed',
]);
/** Here the listener speaks plain HTTP. */
const MAY_BE_EMPTY = new Set(['Certificate lasts for']);
const WAVES = 5;
const WAVE_PAUSE_MS = 1_000;
const SHOWN_SECONDS = 60;
const ALERTS_DEADLINE_MS = 60_000;

const dashboards = readdirSync(FOLDER).map(
  (file) => JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')) as Dashboard,
);
/** As Grafana fills in what it knows: everything chosen, a window of some scrapes. */
function fillIn(expression: string): string {
  return expression
    .replaceAll('$__rate_interval', '15s')
    .replaceAll('$__range', `${SHOWN_SECONDS}s`)
    .replaceAll(/\$(instance|model|provider)\b/g, '.*');
}

describeWithPrometheus('what an operator sees', () => describeWithRedis('of a gateway under load', watch));

function watch(): void {
  let redis: TestRedis | undefined;
  let busy: BusyGateway | undefined;
  let prometheus: TestPrometheus;

  beforeAll(async () => {
    redis = await startRedis();
    busy = await startBusyGateway(redis);
    // Alerts that wait ten minutes would outlast any test: here they fire at once.
    const rules = readFileSync(path.join(DEPLOY, 'alerts.yml'), 'utf8').replaceAll(/^ +for: .*\n/gm, '');
    prometheus = await startPrometheus({ targets: [new URL(busy.gateway.metricsUrl).host], rules });
    for (let wave = 0; wave < WAVES; wave += 1) {
      await busy.wave();
      await new Promise((resolve) => setTimeout(resolve, WAVE_PAUSE_MS));
    }
  }, 120_000);
  afterAll(async () => {
    await prometheus?.close();
    await busy?.close();
    await redis?.close();
  });

  it.each(dashboards.map((dashboard) => [dashboard.title, dashboard] as const))(
    '%s: no panel is empty, nor flat',
    async (_title, { panels }) => {
      const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
      expect(queries.length).toBeGreaterThan(9);
      const empty: typeof queries = [];
      const flat: typeof queries = [];
      for (const query of queries) {
        const values = (await prometheus.query(fillIn(query.expr), SHOWN_SECONDS)).flatMap((series) => series.values);
        if (values.length === 0) {
          if (!MAY_BE_EMPTY.has(query.title)) empty.push(query);
        } else if (values.every((value) => value === 0) && !MAY_BE_ZERO.has(query.title)) {
          flat.push(query);
        }
      }
      expect({ empty, flat }).toEqual({ empty: [], flat: [] });
    },
  );

  it('can be narrowed down by every choice that a dashboard offers', async () => {
    for (const { name, query } of dashboards.flatMap(({ templating }) => templating.list)) {
      const metric = /^label_values\((\w+), \w+\)$/.exec(query.query)?.[1] ?? '';
      const values = await prometheus.get<string[]>(`/api/v1/label/${name}/values?match[]=${metric}`);
      expect({ name, isEmpty: values.length === 0 }).toEqual({ name, isEmpty: false });
    }
  });

  it('has a mark where the configuration was loaded', async () => {
    const marks = new Set(dashboards.flatMap(({ annotations }) => annotations.list.map(({ expr }) => expr)));
    expect(marks.size).toBe(1);
    for (const mark of marks) expect((await prometheus.query(mark, SHOWN_SECONDS)).length).toBeGreaterThan(0);
  });

  it('is told by alerts what goes wrong, in whole sentences', async () => {
    const fired = new Set<string>();
    const said = new Set<string>();
    // Each is over some time after what it tells of, on a slow machine perhaps before anybody looked.
    await waitUntil(async () => {
      const { groups } = await prometheus.get<{ groups: { rules: LoadedRule[] }[] }>('/api/v1/rules');
      const rules = groups.flatMap((group) => group.rules);
      expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
      for (const { name, alerts = [] } of rules) {
        for (const { annotations } of alerts) said.add(Object.values(annotations).join(' '));
        if (alerts.length > 0) fired.add(name);
      }
      if (EXPECTED_ALERTS.every((name) => fired.has(name))) return true;
      await busy?.wave();
      return false;
    }, ALERTS_DEADLINE_MS);
    for (const text of said) expect(text).not.toMatch(/<no value>|<error|\{\{|%!/);
  }, 90_000);

  it('finds in the runbook no query that Prometheus does not understand', async () => {
    const runbook = readFileSync(path.join(process.cwd(), 'docs', 'operations.md'), 'utf8');
    const asked = (runbook.match(/(?<=`)[^`\n]*\b(?:aegis|process|nodejs)_[a-z_]+[^`\n]*(?=`)/g) ?? []).filter(
      (text) => !text.includes('jq '),
    );
    expect(asked.length).toBeGreaterThan(25);
    for (const query of asked) {
      await expect(prometheus.query(query, 1).then(() => query)).resolves.toBe(query);
    }
  });
}

interface LoadedRule {
  readonly name: string;
  readonly health: string;
  readonly alerts?: readonly { readonly annotations: Readonly<Record<string, string>> }[];
}
