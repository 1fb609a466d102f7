import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.js';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { Service, ServiceAccount } from 'kubernetes-types/core/v1.js';
import type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1.js';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js';
import { METRICS } from '../../src/telemetry/metrics.js';
import { type Manifest } from '../support/helm/chart.js';
import { SECRET_NAMES } from '../support/helm/chart-files.js';
import {
  all,
  chart,
  envOf,
  fits,
  gatewayOf,
  type Labels,
  type Named,
  podsOf,
  rendered,
  workloadOf,
} from '../support/helm/rendered-chart.js';
import type { ValueMap } from '../support/helm/template.functions.js';

describe.each(rendered)('the objects, $name,', ({ values, manifests }) => {
  const { pod, container, labels } = gatewayOf(manifests);

  it('select the pods they mean, and no others', () => {
    const pods = podsOf(manifests);
    const selectors = [
      workloadOf(manifests).spec?.selector.matchLabels,
      ...all<Service>(manifests, 'Service').map(({ spec }) => spec?.selector),
      ...all<PodDisruptionBudget>(manifests, 'PodDisruptionBudget').map(({ spec }) => spec?.selector?.matchLabels),
      ...(values.topologySpreadConstraints === undefined
        ? (pod.topologySpreadConstraints ?? []).map(({ labelSelector }) => labelSelector?.matchLabels)
        : []),
    ];
    expect(selectors.length).toBeGreaterThanOrEqual(3);
    for (const selector of selectors) {
      expect(pods.filter((each) => fits(selector, each.labels)).map((each) => each.labels)).toEqual([labels]);
    }
    for (const { spec, metadata } of all<NetworkPolicy>(manifests, 'NetworkPolicy')) {
      const selected = pods.filter((each) => fits(spec?.podSelector.matchLabels, each.labels));
      expect(selected).toHaveLength(1);
      expect(selected[0]?.labels['app.kubernetes.io/component']).toBe(
        metadata?.labels?.['app.kubernetes.io/component'],
      );
    }
  });

  it('name ports, services and accounts that there are', () => {
    const services = all<Service>(manifests, 'Service');
    const [http, metrics] = ['http', 'metrics'].map((name) => container.ports?.find((port) => port.name === name));
    expect([http?.containerPort, metrics?.containerPort].map(String)).toEqual([
      envOf(container).GATEWAY_PORT,
      envOf(container).METRICS_PORT,
    ]);
    for (const { spec } of services) {
      for (const { targetPort } of spec?.ports ?? []) expect(['http', 'metrics']).toContain(targetPort);
    }
    for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
      expect(probe?.httpGet?.port).toBe('http');
    }
    const { serviceName } = workloadOf(manifests).spec ?? {};
    if (workloadOf(manifests).kind === 'StatefulSet') {
      const governing = services.find(({ metadata }) => metadata?.name === serviceName);
      expect(governing?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    } else expect(serviceName).toBeUndefined();
    for (const { spec } of all<Ingress>(manifests, 'Ingress')) {
      for (const { http: paths } of spec?.rules ?? []) {
        const { name, port } = paths?.paths[0]?.backend.service ?? {};
        const service = services.find(({ metadata }) => metadata?.name === name);
        expect(service?.spec?.ports?.map((each) => each.name)).toContain(port?.name);
      }
    }
    const accounts = all<ServiceAccount>(manifests, 'ServiceAccount').map(({ metadata }) => metadata?.name);
    if (accounts.length > 0) expect(accounts).toEqual([pod.serviceAccountName]);
    for (const { spec } of all<{ spec: { selector: { matchLabels: Labels }; endpoints: { port: string }[] } }>(
      manifests,
      'ServiceMonitor',
    )) {
      const scraped = services.filter(({ metadata }) => fits(spec.selector.matchLabels, metadata?.labels ?? {}));
      expect(scraped.map(({ spec: found }) => found?.ports?.map(({ name }) => name))).toEqual([['metrics']]);
      expect(spec.endpoints[0]?.port).toBe('metrics');
    }
  });

  it('run as nobody, without a token, on a root that cannot be written', () => {
    for (const { spec } of podsOf(manifests)) {
      expect(spec.automountServiceAccountToken).toBe(false);
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const { securityContext, resources, image } of spec.containers) {
        expect(securityContext).toMatchObject({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(resources).toMatchObject({ requests: expect.anything(), limits: { memory: expect.any(String) } });
        expect(image).toMatch(/(@sha256:|:(?!latest))[^:]+$/);
      }
    }
    for (const account of all<ServiceAccount>(manifests, 'ServiceAccount')) {
      expect(account.automountServiceAccountToken).toBe(false);
    }
  });

  it('mount volumes that there are, each as a whole, and none for nothing', () => {
    const claims = (workloadOf(manifests).spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata?.name ?? '');
    for (const { spec } of podsOf(manifests)) {
      const mounts = spec.containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
      const volumes = (spec.volumes ?? []).map(({ name }) => name);
      const expected = spec === pod ? [...volumes, ...claims] : volumes;
      expect(mounts.map(({ name }) => name).sort()).toEqual(expected.sort());
      // Kubernetes does not keep what is mounted by a subPath up to date.
      expect(mounts.filter(({ subPath, subPathExpr }) => subPath || subPathExpr)).toEqual([]);
    }
  });

  it('keep what must be written on volumes, and the journal on one that outlives its pod where nothing may be lost', () => {
    const mounts = container.volumeMounts ?? [];
    const writable = mounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath);
    expect(writable.sort()).toEqual(['/tmp', '/var/lib/aegis']);
    expect(envOf(container).AEGIS_JOURNAL_DIR).toMatch(/^\/var\/lib\/aegis\/./);
    const { kind, spec } = workloadOf(manifests);
    const journal = pod.volumes?.find(({ name }) => name === 'journal');
    if (kind === 'StatefulSet') {
      expect(journal).toBeUndefined();
      expect(spec?.volumeClaimTemplates?.[0]?.spec).toMatchObject({ accessModes: ['ReadWriteOnce'] });
      expect(spec?.persistentVolumeClaimRetentionPolicy).toEqual({ whenDeleted: 'Retain', whenScaled: 'Retain' });
    } else expect(Object.keys(journal ?? {})).toHaveLength(2);
  });

  it('have all that a pod waits for: ConfigMaps and Secrets of the chart, or named by the values', () => {
    const given = (place: 'config' | 'secrets' | 'auditKey' | 'tls', key: string): string =>
      String((chart.merge(values)[place] as ValueMap)[key] ?? '');
    const known = new Set([
      ...all<Named>(manifests, 'ConfigMap', 'Secret').map(({ metadata }) => metadata?.name),
      given('config', 'existingConfigMap'),
      given('secrets', 'existingSecret'),
      given('auditKey', 'existingSecret'),
      given('tls', 'existingSecret'),
      'authorities',
    ]);
    for (const { spec } of podsOf(manifests)) {
      for (const { configMap, secret } of spec.volumes ?? []) {
        const name = configMap?.name ?? secret?.secretName;
        if (name !== undefined) expect([...known]).toContain(name);
        // Owned by root: whoever AEGIS runs as reads it by the group.
        if (secret !== undefined) expect(secret.defaultMode).toBe(0o440);
      }
    }
  });

  it('give the container no secret but by files', () => {
    for (const { spec } of podsOf(manifests)) {
      for (const { env = [], envFrom } of spec.containers) {
        expect(envFrom).toBeUndefined();
        expect(env.filter(({ name, valueFrom }) => valueFrom !== undefined && name !== 'MORE')).toEqual([]);
        for (const name of SECRET_NAMES) expect(env.map((each) => each.name)).not.toContain(name);
      }
    }
  });

  it('leave the drain the time it takes', () => {
    const { AEGIS_SHUTDOWN_GRACE = '', AEGIS_GRACEFUL_SHUTDOWN = '' } = envOf(container);
    const drain = [AEGIS_SHUTDOWN_GRACE, AEGIS_GRACEFUL_SHUTDOWN].map((text) => Number(/^(\d+)s$/.exec(text)?.[1]));
    const [grace = 0, finish = 0] = drain;
    // Two journals may take 5 s each, traces 3 s, the last words 2 s.
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(grace + finish + 15);
    const { periodSeconds = 0, failureThreshold = 0 } = container.readinessProbe ?? {};
    expect(grace).toBeGreaterThan(periodSeconds * failureThreshold);
  });

  it('replace pods one by one, and let a node be drained one pod at a time', () => {
    const kind = String(workloadOf(manifests).kind);
    const spec = workloadOf(manifests).spec as unknown as Record<string, unknown>;
    if (kind === 'Deployment') {
      expect(spec.strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
    } else expect(spec.updateStrategy).toEqual({ type: 'RollingUpdate' });
    for (const budget of all<PodDisruptionBudget>(manifests, 'PodDisruptionBudget')) {
      expect(budget.spec).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' });
    }
  });

  it('scale by a metric that the gateway has, and leave the number of replicas to whoever scales', () => {
    const scalers = all<HorizontalPodAutoscaler>(manifests, 'HorizontalPodAutoscaler');
    const { replicas } = workloadOf(manifests).spec ?? {};
    if (scalers.length === 0) return expect(replicas).toBe(3);
    expect(replicas).toBeUndefined();
    const { scaleTargetRef, metrics = [], behavior } = scalers[0]?.spec ?? {};
    expect(scaleTargetRef).toMatchObject({
      kind: workloadOf(manifests).kind,
      name: workloadOf(manifests).metadata?.name,
    });
    const known = Object.values(METRICS).filter(({ kind }) => kind === 'gauge');
    const names = metrics.flatMap(({ pods }) => (pods === undefined ? [] : [pods.metric.name]));
    expect(names).toEqual(['aegis_requests_in_flight']);
    expect(known.map(({ name }) => name)).toContain(names[0]);
    expect(behavior?.scaleDown).toMatchObject({ policies: [{ type: 'Pods', value: 1 }] });
    expect(behavior?.scaleDown?.stabilizationWindowSeconds).toBeGreaterThanOrEqual(300);
    return undefined;
  });

  it('run hooks that need nothing which is not there yet', () => {
    const isEarly = ({ metadata }: Manifest['object']): boolean =>
      metadata.annotations?.['helm.sh/hook'] === 'pre-install,pre-upgrade';
    const early = manifests.filter(({ object }) => isEarly(object));
    const later = new Set(
      manifests.filter(({ object }) => !isEarly(object)).map(({ object }) => `${object.kind}/${object.metadata.name}`),
    );
    for (const job of all<Job>(early, 'Job')) {
      const {
        volumes = [],
        serviceAccountName,
        restartPolicy,
        containers,
      } = job.spec?.template.spec ?? { containers: [] };
      expect(containers[0]?.args).toEqual(['migrate']);
      expect(restartPolicy).toBe('Never');
      expect(later).not.toContain(`ServiceAccount/${serviceAccountName}`);
      for (const { configMap, secret } of volumes) {
        expect(later).not.toContain(`ConfigMap/${configMap?.name}`);
        expect(later).not.toContain(`Secret/${secret?.secretName}`);
      }
      // The key that seals the audit is for gateways alone.
      expect(JSON.stringify(volumes)).not.toContain('audit');
    }
    const migrations = chart.merge(values).migrations as ValueMap;
    expect(all(early, 'Job')).toHaveLength(migrations.enabled === true ? 1 : 0);
  });
});
