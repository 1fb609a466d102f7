import path from 'node:path';
import type { StatefulSet } from 'kubernetes-types/apps/v1.js';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { Container, Pod, PodSpec } from 'kubernetes-types/core/v1.js';
import { Chart, type Manifest } from './chart.js';
import type { ValueMap } from './template.functions.js';

export const CHART_FOLDER = path.resolve(__dirname, '..', '..', '..', 'deploy', 'helm', 'aegis');
export const chart = new Chart(CHART_FOLDER);

export const SECRETS: ValueMap = {
  secrets: {
    existingSecret: '',
    values: {
      DATABASE_URL: 'postgres://aegis:secret@db:5432/aegis',
      AEGIS_KEY_PEPPER: 'p'.repeat(32),
      EXTRA: 'x: "y"',
    },
  },
  auditKey: {
    existingSecret: '',
    key: 'audit.pem',
    value: '-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n',
  },
};

export const SETS: Readonly<Record<string, ValueMap>> = {
  'as it comes': {},
  'with everything on': {
    fullnameOverride: 'a-name-that-is-much-longer-than-any-that-fits-in-a-label',
    image: { repository: 'registry.example.com/ai/aegis', digest: `sha256:${'0'.repeat(64)}` },
    imagePullSecrets: [{ name: 'registry' }],
    config: {
      restartOnChange: true,
      files: { 'terms.yaml': 'terms: []\n', 'models.yaml': "  # {{ text }}\nmodels: {a: 'b'}\n" },
    },
    env: { VLLM_BASE_URL: 'http://vllm:8000/v1', QUOTED: 'say "no" \\ off' },
    extraEnv: [{ name: 'MORE', valueFrom: { secretKeyRef: { name: 'more', key: 'more' } } }],
    extraVolumes: [{ name: 'authorities', configMap: { name: 'authorities' } }],
    extraVolumeMounts: [{ name: 'authorities', mountPath: '/etc/authorities', readOnly: true }],
    podAnnotations: { note: 'yes' },
    podLabels: { tier: 'edge' },
    nodeSelector: { 'kubernetes.io/arch': 'amd64' },
    tolerations: [{ key: 'ai', operator: 'Exists' }],
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
    priorityClassName: 'high',
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
    ],
    serviceAccount: { annotations: { team: 'ai' } },
    service: { type: 'LoadBalancer', port: 80, annotations: { internal: 'true' } },
    trustedProxies: ['10.1.0.0/16', 'fd00::/8'],
    ingress: {
      enabled: true,
      className: 'nginx',
      annotations: { 'nginx.ingress.kubernetes.io/proxy-buffering': 'off' },
      hosts: ['ai.example.com', 'gateway.example.com'],
      tls: [{ hosts: ['ai.example.com'], secretName: 'tls' }],
    },
    journal: { storageClassName: 'fast', size: '20Gi' },
    autoscaling: { enabled: true },
    tls: { existingSecret: 'our-tls', clientAuth: 'request' },
    serviceMonitor: {
      enabled: true,
      labels: { release: 'prometheus' },
      tokenSecret: { name: 'aegis', key: 'METRICS_TOKEN' },
    },
    prometheusRule: {
      enabled: true,
      labels: { release: 'prometheus' },
      runbookUrl: 'https://runbooks.example.com/aegis',
    },
    networkPolicy: {
      ingressFrom: [{ podSelector: { matchLabels: { app: 'client' } } }],
      postgres: { to: [{ ipBlock: { cidr: '10.0.0.0/24' } }] },
      redis: { to: [{ podSelector: { matchLabels: { app: 'redis' } } }] },
      extraEgress: [{ ports: [{ port: 8000, protocol: 'TCP' }] }],
    },
  },
  'with Secrets of its own': SECRETS,
  'as a Deployment': { workload: { kind: 'Deployment' }, autoscaling: { enabled: true, targetCpuPercent: 0 } },
  'as a Deployment on a volume that is there, with Secrets of its own': {
    ...SECRETS,
    workload: { kind: 'Deployment' },
    journal: { volume: { emptyDir: null, persistentVolumeClaim: { claimName: 'journals' } } },
  },
  'with a ConfigMap and an account that are there': {
    config: { existingConfigMap: 'our-config' },
    serviceAccount: { create: false, name: 'ours' },
    ports: { http: 8181, metrics: 9191 },
    drain: { shutdownGraceSeconds: 30, gracefulShutdownSeconds: 300 },
  },
  'with as little as can be': {
    networkPolicy: { enabled: false },
    podDisruptionBudget: { enabled: false },
    migrations: { enabled: false },
    serviceAccount: { create: false },
  },
  'with a policy that names nobody': { networkPolicy: { metricsFrom: [], dns: [], https: { enabled: false } } },
};

export const rendered = Object.entries(SETS).map(([name, values]) => ({
  name,
  values,
  manifests: chart.render(values),
}));

export type Labels = Readonly<Record<string, string>>;
export type Named = { readonly metadata?: { readonly name?: string; readonly labels?: Labels } };

/** The objects of a kind, in the order of their templates. */
export function all<T>(manifests: readonly Manifest[], ...kinds: string[]): T[] {
  return manifests.flatMap(({ object }) => (kinds.includes(object.kind) ? [object as unknown as T] : []));
}

export function one<T>(manifests: readonly Manifest[], ...kinds: string[]): T {
  const [first] = all<T>(manifests, ...kinds);
  if (first === undefined) throw new Error(`there is no ${kinds.join(' or ')}`);
  return first;
}

export const workloadOf = (manifests: readonly Manifest[]): StatefulSet => one(manifests, 'StatefulSet', 'Deployment');

export function gatewayOf(manifests: readonly Manifest[]): { pod: PodSpec; container: Container; labels: Labels } {
  const { spec, metadata } = workloadOf(manifests).spec?.template ?? {};
  const [container] = spec?.containers ?? [];
  if (spec === undefined || container === undefined) throw new Error('the workload has no container');
  return { pod: spec, container, labels: metadata?.labels ?? {} };
}

/** Every pod that the chart runs, hooks included, with the labels that it has. */
export function podsOf(manifests: readonly Manifest[]): { readonly labels: Labels; readonly spec: PodSpec }[] {
  const templates = all<Job>(manifests, 'Job', 'StatefulSet', 'Deployment').map(({ spec }) => spec?.template);
  return [...templates, ...all<Pod>(manifests, 'Pod')].map((pod) => ({
    labels: pod?.metadata?.labels ?? {},
    spec: pod?.spec ?? { containers: [] },
  }));
}

export const fits = (selector: Labels | undefined, labels: Labels): boolean =>
  selector !== undefined &&
  Object.keys(selector).length > 0 &&
  Object.entries(selector).every(([name, value]) => labels[name] === value);

export const envOf = ({ env = [] }: Container): Record<string, string | undefined> =>
  Object.fromEntries(env.map(({ name, value }) => [name, value]));
