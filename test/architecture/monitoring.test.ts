import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { parse } from 'yaml';
import { METRICS } from '../../src/telemetry/metrics.js';
import { listFiles, read, root } from './project.js';

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

const { groups } = parse(read('deploy/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule): rule is Rule & { alert: string } => rule.alert !== undefined);

/** Names of AEGIS's own metrics in a text that `docs/metrics.md` does not have. */
function findUnknownMetrics(text: string): string[] {
  const known = new Set<string>(Object.values(METRICS).map(({ name }) => name));
  const named = new Set(text.match(/\baegis_[a-z_]+[a-z]\b/g) ?? []);
  return [...named].filter((name) => !known.has(name) && !known.has(name.replace(/_(bucket|count|sum)$/, '')));
}

describe('the dashboards', () => {
  const files = listFiles(['deploy/grafana/dashboards'], '.json');

  it('are what their sources make', () => {
    const build = path.join(root, 'deploy', 'grafana', 'source', 'build.mjs');
    expect(() => execFileSync(process.execPath, [build, '--check'], { stdio: 'pipe' })).not.toThrow();
  });

  it('ask only for metrics that the gateway has', () => {
    expect(files.length).toBeGreaterThanOrEqual(8);
    for (const file of files) expect({ file, unknown: findUnknownMetrics(read(file)) }).toEqual({ file, unknown: [] });
    expect(findUnknownMetrics('rate(aegis_requests_total[5m]) + aegis_nonsense_bucket')).toEqual([
      'aegis_nonsense_bucket',
    ]);
  });

  it('show every metric that the gateway has', () => {
    const shown = files.map(read).join('\n');
    expect(Object.values(METRICS).filter(({ name }) => !shown.includes(name))).toEqual([]);
  });

  it('each have a name of their own, and say of every panel what it means', () => {
    const dashboards = files.map((file) => JSON.parse(read(file)) as { uid: string; title: string; panels: Panel[] });
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(files.length);
    expect(new Set(dashboards.map(({ title }) => title)).size).toBe(files.length);
    const panels = dashboards.flatMap((dashboard) => dashboard.panels).filter(({ type }) => type !== 'row');
    expect(panels.filter(({ description }) => !description)).toEqual([]);
    expect(panels.filter(({ targets }) => !targets?.length)).toEqual([]);
  });

  it('find the Prometheus that is provisioned', () => {
    const { datasources } = parse(read('deploy/grafana/provisioning/datasources/prometheus.yml')) as {
      datasources: { uid: string; url: string }[];
    };
    expect(datasources).toMatchObject([{ uid: 'prometheus', url: 'http://prometheus:9090' }]);
  });

  it('are fed by a gateway on the port it really has', () => {
    const { scrape_configs } = parse(read('deploy/prometheus/prometheus.yml')) as {
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    expect(scrape_configs[0]?.job_name).toBe('aegis');
    expect(scrape_configs[0]?.static_configs[0]?.targets).toEqual(['gateway:9090']);
  });
});

interface Panel {
  readonly type: string;
  readonly description?: string;
  readonly targets?: readonly unknown[];
}

describe('the alerts', () => {
  const runbook = read('docs/operations.md');

  it('ask only for metrics that the gateway has', () => {
    expect(alerts.length).toBeGreaterThan(20);
    expect(findUnknownMetrics(rules.map(({ expr }) => expr).join('\n'))).toEqual([]);
  });

  it('each say how bad it is, what it is, and where it stands what to do', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect(alert).toMatch(/^Aegis[A-Z]\w+$/);
      expect(['critical', 'warning', 'info']).toContain(labels?.severity);
      expect(annotations).toMatchObject({ summary: expect.any(String), description: expect.any(String) });
      expect(annotations?.runbook_url).toBe(`docs/operations.md#${alert.toLowerCase()}`);
    }
  });

  it('and the sections of the runbook are the same, in the same order', () => {
    const sections = runbook.split(/^(?=#{2,3} )/m);
    const named = sections.flatMap((section) => /^### (Aegis\w+)$/m.exec(section)?.[1] ?? []);
    expect(named).toEqual(alerts.map(({ alert }) => alert));
    for (const section of sections.filter((text) => text.startsWith('### Aegis'))) {
      for (const part of ['**Means.**', '**Users', '**Look.**', '**Do.**']) expect(section).toContain(part);
    }
  });

  it('are described with metrics that the gateway has', () => {
    expect(findUnknownMetrics(runbook)).toEqual([]);
  });

  it('are loaded by the Prometheus of docker-compose', () => {
    const { rule_files } = parse(read('deploy/prometheus/prometheus.yml')) as { rule_files: string[] };
    expect(rule_files).toEqual(['alerts.yml']);
    expect(read('docker-compose.yml')).toContain('./deploy/prometheus/alerts.yml:/etc/prometheus/alerts.yml:ro');
  });
});
