import type { ConfigMap, Pod, Secret } from 'kubernetes-types/core/v1.js';
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import { parse } from 'yaml';
import { CONFIG_FILE_NAMES } from '../../src/config/files.js';
import { HealthController } from '../../src/gateway/health.controller.js';
import { METRICS } from '../../src/telemetry/metrics.js';
import { SECRET_NAMES, SECRETS_FOLDER } from '../support/helm/chart-files.js';
import { all, chart, envOf, gatewayOf, one, SECRETS, SETS } from '../support/helm/rendered-chart.js';
import { isMap, type Value, type ValueMap } from '../support/helm/template.functions.js';
import { loaded } from '../unit/config/support.js';
import { listFiles, read } from './project.js';

describe('the gateway in the chart', () => {
  const manifests = chart.render();
  const { container } = gatewayOf(manifests);
  const { data = {} } = one<ConfigMap>(manifests, 'ConfigMap');

  it('is probed where it answers probes', () => {
    const base: unknown = Reflect.getMetadata('path', HealthController);
    const paths = Object.getOwnPropertyNames(HealthController.prototype).flatMap((name) => {
      const method: unknown = Object.getOwnPropertyDescriptor(HealthController.prototype, name)?.value;
      const inner: unknown = typeof method === 'function' ? Reflect.getMetadata('path', method) : undefined;
      return typeof inner === 'string' ? [`/${String(base)}/${inner}`.replace(/\/+$/, '')] : [];
    });
    expect(paths).toContain('/aegis/v1/health/ready');
    const asked = [container.startupProbe, container.livenessProbe, container.readinessProbe].map(
      (probe) => probe?.httpGet?.path ?? '',
    );
    expect(asked).toEqual(['/aegis/v1/health/live', '/aegis/v1/health/live', '/aegis/v1/health/ready']);
    for (const path of asked) expect(paths).toContain(path);
    expect(one<Pod>(manifests, 'Pod').spec?.containers[0]?.command?.at(-1)).toMatch(/:8080\/aegis\/v1\/health\/ready$/);
  });

  it('finds all files of the configuration in the ConfigMap, the ones that the values replace included', () => {
    expect(Object.keys(data).sort()).toEqual([...CONFIG_FILE_NAMES].sort());
    for (const name of CONFIG_FILE_NAMES) expect(data[name]).toBe(chart.read(`config/${name}`));
    const own = one<ConfigMap>(chart.render(SETS['with everything on']), 'ConfigMap').data ?? {};
    expect(Object.keys(own).sort()).toEqual([...CONFIG_FILE_NAMES, 'terms.yaml'].sort());
    expect(own['gateway.yaml']).toContain('\n  trusted_proxies: ["10.1.0.0/16","fd00::/8"]\n');
    expect(own['models.yaml']).toBe("  # {{ text }}\nmodels: {a: 'b'}\n");
  });

  it('reads a configuration that is right, with the ports, times and secrets that the pod has', () => {
    const secrets = Object.fromEntries(SECRET_NAMES.map((name) => [`${SECRETS_FOLDER}/${name}`, '']));
    const given = { DATABASE_URL: 'postgres://db/aegis', AEGIS_KEY_PEPPER: 'p'.repeat(32) };
    for (const [name, text] of Object.entries(given)) secrets[`${SECRETS_FOLDER}/${name}`] = text;
    const result = loaded(data, { environment: { NODE_ENV: 'production', ...envOf(container) }, secrets });
    const { server, telemetry, accounting, audit } = result.snapshot.gateway;
    expect(server).toMatchObject({
      port: 8080,
      trustedProxies: [],
      shutdownGraceMs: 10_000,
      gracefulShutdownMs: 30_000,
    });
    expect(telemetry).toMatchObject({ metricsPort: 9090 });
    expect(accounting).toMatchObject({ journalDir: '/var/lib/aegis/journal' });
    const key = container.volumeMounts?.find(({ name }) => name === 'audit-key')?.mountPath;
    expect(audit).toMatchObject({ signingKeyFile: `${key}/signing-key.pem` });
    expect([...result.secretFiles].sort()).toEqual(Object.keys(secrets).sort());
    expect(container.volumeMounts).toContainEqual({ name: 'secrets', mountPath: SECRETS_FOLDER, readOnly: true });
    expect(container.volumeMounts).toContainEqual({
      name: 'config',
      mountPath: envOf(container).AEGIS_CONFIG_DIR,
      readOnly: true,
    });
  });

  it('gets no variable that nothing reads', () => {
    const texts = [...listFiles(['src'], '.ts').map(read), ...Object.values(data)].join('\n');
    const unread = Object.keys(envOf(container)).filter((name) => !new RegExp(`\\b${name}\\b`).test(texts));
    expect(unread).toEqual([]);
  });

  it('has every secret of the configuration in the Secret that the chart makes', () => {
    const { values } = chart.values.secrets as ValueMap;
    expect(Object.keys(values as ValueMap).sort()).toEqual([...SECRET_NAMES].sort());
    const secrets = all<Secret>(chart.render(SECRETS), 'Secret');
    const main = secrets.find(({ metadata }) => metadata?.name === 'prod-aegis');
    expect(Object.keys(main?.stringData ?? {})).toEqual(expect.arrayContaining([...SECRET_NAMES]));
    expect(main?.stringData).toMatchObject({ EXTRA: 'x: "y"', OPENAI_API_KEY: '' });
    const audit = secrets.find(({ metadata }) => metadata?.name === 'prod-aegis-audit');
    expect(audit?.stringData?.['audit.pem']).toMatch(/^-----BEGIN PRIVATE KEY-----\nMC4=\n/);
  });

  it('may be asked, scraped, and ask for what it needs; nothing else', () => {
    const {
      policyTypes,
      ingress = [],
      egress = [],
    } = all<NetworkPolicy>(manifests, 'NetworkPolicy').find(({ metadata }) => metadata?.name === 'prod-aegis')?.spec ??
    {};
    expect(policyTypes).toEqual(['Ingress', 'Egress']);
    expect(ingress).toEqual([
      { ports: [{ port: 8080, protocol: 'TCP' }] },
      {
        ports: [{ port: 9090, protocol: 'TCP' }],
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
      },
    ]);
    expect(egress.map(({ ports = [] }) => ports.map(({ port }) => port))).toEqual([[53, 53], [5432], [6379], [443]]);
    expect(egress.at(-1)?.to).toEqual([{ ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.0.0/16'] } }]);
    const closed = all<NetworkPolicy>(chart.render(SETS['with everything on']), 'NetworkPolicy')
      .flatMap(({ spec }) => spec?.ingress ?? [])
      .find(({ ports }) => ports?.[0]?.port === 8080);
    // The chart's own test asks, too.
    expect(closed?.from).toHaveLength(2);
  });

  it('speaks TLS where it has a Secret for it, and is probed so; plain HTTP else', () => {
    const probesOf = (container: object): object[] =>
      ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) => Reflect.get(container, name).httpGet);
    const plain = gatewayOf(chart.render());
    for (const probe of probesOf(plain.container)) expect(probe).not.toHaveProperty('scheme');
    expect(JSON.stringify(plain.container.env)).not.toContain('AEGIS_TLS');
    const on = chart.render(SETS['with everything on']);
    const { container } = gatewayOf(on);
    for (const probe of probesOf(container)) expect(probe).toMatchObject({ scheme: 'HTTPS', port: 'http' });
    expect(container.env).toEqual(
      expect.arrayContaining([
        { name: 'AEGIS_TLS_CERT_FILE', value: '/run/secrets/aegis-tls/tls.crt' },
        { name: 'AEGIS_TLS_KEY_FILE', value: '/run/secrets/aegis-tls/tls.key' },
        { name: 'AEGIS_TLS_CLIENT_CA_FILE', value: '/run/secrets/aegis-tls/ca.crt' },
        { name: 'AEGIS_TLS_CLIENT_AUTH', value: 'request' },
      ]),
    );
    expect(container.volumeMounts).toContainEqual({ name: 'tls', mountPath: '/run/secrets/aegis-tls', readOnly: true });
    expect(one<{ spec: { endpoints: object[] } }>(on, 'ServiceMonitor').spec.endpoints).toMatchObject([
      { authorization: { credentials: { name: 'aegis', key: 'METRICS_TOKEN' } } },
    ]);
  });

  it('is alerted about as deploy/prometheus says, under the job that the alerts go by', () => {
    const on = chart.render(SETS['with everything on']);
    const text = JSON.stringify(one<object>(on, 'PrometheusRule'));
    const alerts = read('deploy/prometheus/alerts.yml').match(/- alert: \w+/g) ?? [];
    expect(text.match(/"alert":/g)).toHaveLength(alerts.length);
    expect(text).toContain('https://runbooks.example.com/aegis#aegisdown');
    expect(text).not.toContain('docs/operations.md');
    const { spec } = one<{ spec: { endpoints: object[] } }>(on, 'ServiceMonitor');
    expect(spec.endpoints).toMatchObject([
      { relabelings: [{ action: 'replace', targetLabel: 'job', replacement: 'aegis' }] },
    ]);
  });

  it('is explained with the names that it has', () => {
    const guide = read('docs/kubernetes.md');
    for (const name of SECRET_NAMES) expect(guide).toContain(`--from-literal=${name}=`);
    const [, rule = ''] = /```yaml\n(rules:[\s\S]*?)```/.exec(guide) ?? [];
    const { rules } = parse(rule) as { rules: { custom: { seriesQuery: string; name: { as: string } }[] } };
    const names: string[] = Object.values(METRICS).map(({ name }) => name);
    for (const { seriesQuery, name } of rules.custom) {
      expect(seriesQuery.startsWith(`${name.as}{`)).toBe(true);
      expect(names).toContain(name.as);
    }
    // A value of the chart's, as `drain.shutdownGraceSeconds`; not gateway.yaml's `server.body_limit`.
    const mentioned = [...guide.matchAll(/`([a-zA-Z]+)\.([a-zA-Z.]+)[:`]/g)].filter(
      ([, section = '']) => section in chart.values,
    );
    expect(mentioned.length).toBeGreaterThan(15);
    for (const [text, section = '', rest = ''] of mentioned) {
      const value = rest
        .split('.')
        .reduce<Value | undefined>((inner, name) => (isMap(inner) ? inner[name] : undefined), chart.values[section]);
      expect({ text, isThere: value !== undefined }).toEqual({ text, isThere: true });
    }
  });
});
