import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Manifest } from '../support/helm/chart.js';
import { buildChartFiles } from '../support/helm/chart-files.js';
import { findSchemaProblems } from '../support/helm/kubernetes-schema.js';
import { CHART_FOLDER, chart, gatewayOf, one, rendered, SECRETS, workloadOf } from '../support/helm/rendered-chart.js';
import type { ValueMap } from '../support/helm/template.functions.js';
import { manifest as packageManifest, read, root } from './project.js';

describe('the chart', () => {
  it('has the files of the repository that it copies, as they are now', () => {
    for (const [name, text] of buildChartFiles(root)) {
      const file = path.join(CHART_FOLDER, name);
      if (process.env.AEGIS_WRITE_CHART === '1') {
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, text);
      } else expect({ name, text: chart.read(name) }).toEqual({ name, text });
    }
  });

  it('has the version of the gateway that it installs', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(chart.metadata).toMatchObject({ name: 'aegis', appVersion: version });
    expect(packageManifest.scripts.build).toBeDefined();
  });

  it('defines nothing that no template includes', () => {
    expect(chart.renderer.findUnused()).toEqual([]);
  });

  it.each(rendered)('makes objects that Kubernetes takes: $name', ({ manifests }) => {
    expect(manifests.length).toBeGreaterThanOrEqual(5);
    expect(findSchemaProblems(manifests)).toEqual([]);
  });

  it('would be caught with objects that Kubernetes does not take', () => {
    const broken = (change: (manifests: Manifest[]) => void): Manifest[] => {
      const manifests = structuredClone(chart.render({ serviceMonitor: { enabled: true } }));
      change(manifests);
      return manifests;
    };
    const problems = [
      (all: Manifest[]) => Object.assign(workloadOf(all).spec ?? {}, { replica: 3 }),
      (all: Manifest[]) => Object.assign(workloadOf(all).spec ?? {}, { minReadySeconds: '10' }),
      (all: Manifest[]) =>
        Object.assign(gatewayOf(all).container, { ports: [{ name: 'http' }, { name: 'http', containerPort: 1.5 }] }),
      (all: Manifest[]) => Object.assign(one<{ spec: object }>(all, 'ServiceMonitor').spec, { endpoint: [] }),
    ]
      .flatMap((change) => findSchemaProblems(broken(change)))
      .join('\n');
    for (const word of [
      '\'"replica"\' does not exist',
      'minReadySeconds',
      "'containerPort' is missing",
      '1.5',
      'stands twice',
      'additional',
    ]) {
      expect(problems).toContain(word);
    }
  });

  it('has one name for each object, of letters and a length that Kubernetes takes', () => {
    for (const { manifests } of rendered) {
      const names = manifests.map(({ object }) => `${object.kind}/${object.metadata.name}`);
      // A hook's copy has the name of the job that needs it.
      expect(names).toEqual([...new Set(names)]);
      for (const { object } of manifests) {
        expect(object.metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$/);
        for (const value of Object.values(object.metadata.labels ?? {})) {
          expect(value).toMatch(/^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/);
        }
      }
    }
  });

  it.each([
    ['a word nobody knows', { replica: 3 }],
    ['a kind it cannot be', { workload: { kind: 'DaemonSet' } }],
    ['a number as text', { ports: { http: '8080' } }],
    ['a port that needs root', { ports: { http: 80 } }],
    ['a file that AEGIS does not read', { config: { files: { 'model.yaml': 'x' } } }],
    ['a name that is no environment variable', { env: { 'LOG-LEVEL': 'info' } }],
  ] as [string, ValueMap][])('refuses values with %s', (_what, values) => {
    expect(() => chart.render(values)).toThrow();
  });

  it.each([
    [{ ingress: { enabled: true } }, 'set ingress.hosts'],
    [{ secrets: { existingSecret: '' } }, 'DATABASE_URL'],
    [{ secrets: { existingSecret: '', values: { DATABASE_URL: 'x' } } }, 'AEGIS_KEY_PEPPER'],
    [{ auditKey: { existingSecret: '' } }, 'aegis audit keygen'],
  ] as [ValueMap, string][])('says what is missing: %j', (values, message) => {
    expect(() => chart.render(values)).toThrow(message);
  });

  it('tells whoever installs it what is still to be done, and what is risky', () => {
    const notes = (values: ValueMap): string => chart.renderTexts(values).get('templates/NOTES.txt') ?? '';
    expect(notes({})).toContain('wait for the Secret "aegis"');
    expect(notes({})).not.toContain('CAREFUL');
    expect(notes({ workload: { kind: 'Deployment' } })).toMatch(/CAREFUL: the journals/);
    expect(notes(SECRETS)).toMatch(/CAREFUL: the secrets[\s\S]*CAREFUL: without REDIS_URL/);
    expect(notes({ networkPolicy: { enabled: false } })).toMatch(/CAREFUL: no NetworkPolicy/);
  });
});
