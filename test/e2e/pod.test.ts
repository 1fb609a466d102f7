import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { ConfigMap, Container, Secret } from 'kubernetes-types/core/v1.js';
import { request } from 'undici';
import { type GatewayProcess, spawnGateway } from '../support/gateway-process.js';
import { PodFolder } from '../support/helm/pod-folder.js';
import { all, chart, envOf, gatewayOf, one } from '../support/helm/rendered-chart.js';
import { createDatabase, type TestDatabase } from '../support/postgres.js';

const DEADLINE_MS = 30_000;
const CLI = path.join(process.cwd(), 'dist', 'src', 'cli', 'main.js');

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + DEADLINE_MS; !(await condition()); await delay(50)) {
    if (Date.now() > deadline) throw new Error('it never came to that');
  }
}

/** The chart's objects, carried out as far as that goes without Kubernetes: their files, environments and arguments. */
describe('the pod of the chart', () => {
  const pod = new PodFolder();
  const credentials: unknown[] = [];
  let upstream: Server;
  let database: TestDatabase;
  let gateway: GatewayProcess;
  let url: string;
  let key: string;
  let secrets: Readonly<Record<string, string>>;
  let files: Readonly<Record<string, string>>;
  let environment: Record<string, string>;

  /** As the image and the container's `env` make it, with ports of this machine. */
  const environmentOf = (container: Container): Record<string, string> => ({
    ...Object.fromEntries(Object.entries(envOf(container)).map(([name, text = '']) => [name, pod.relocate(text)])),
    NODE_ENV: 'production',
    GATEWAY_PORT: '0',
    METRICS_PORT: '0',
  });
  const run = (...parameters: string[]): string =>
    execFileSync(process.execPath, [CLI, ...parameters], {
      env: { PATH: process.env.PATH, ...environment },
      encoding: 'utf8',
    });
  const statusOf = async (place = ''): Promise<number> => {
    const { statusCode, body } = await request(`${url}${place}`);
    await body.dump();
    return statusCode;
  };
  const ask = async (model: string): Promise<number> => {
    const { statusCode, body } = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] }),
    });
    await body.dump();
    return statusCode;
  };

  beforeAll(async () => {
    upstream = createServer((incoming, response) => {
      credentials.push(incoming.headers.authorization);
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          id: 'chatcmpl-1',
          object: 'chat.completion',
          created: 1,
          model: 'llama',
          choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
          usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
        }),
      );
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    database = await createDatabase({ migrated: false });
    const { port } = upstream.address() as AddressInfo;
    const manifests = chart.render({
      env: { VLLM_BASE_URL: `http://127.0.0.1:${port}/v1` },
      drain: { shutdownGraceSeconds: 1, gracefulShutdownSeconds: 5 },
      secrets: {
        existingSecret: '',
        values: {
          DATABASE_URL: database.url,
          AEGIS_KEY_PEPPER: 'a pepper of this test, 32 bytes and more',
          VLLM_API_KEY: 'first',
        },
      },
      auditKey: { existingSecret: '', value: 'made below' },
    });
    secrets = one<Secret>(manifests, 'Secret').stringData ?? {};
    files = one<ConfigMap>(manifests, 'ConfigMap').data ?? {};
    const [job] = all<Job>(manifests, 'Job');
    const [migrate] = job?.spec?.template.spec?.containers ?? [];
    if (migrate === undefined) throw new Error('the chart has no job');

    pod.publish('config', files);
    pod.publish('secrets', secrets);
    environment = environmentOf(migrate);
    expect(run(...(migrate.args ?? []))).toContain('Ran ');
    run('audit', 'keygen', '--output', pod.path('audit', 'signing-key.pem'));
    ({ key } = JSON.parse(run('keygen', '--org', 'acme', '--team', 'core', '--name', 'pod', '--json')) as {
      key: string;
    });

    environment = environmentOf(gatewayOf(manifests).container);
    gateway = spawnGateway(environment);
    ({ url } = (await gateway.logged('gateway is listening')) as { url: string });
  }, 90_000);

  afterAll(async () => {
    gateway?.child.kill('SIGKILL');
    await gateway?.exited;
    await new Promise((resolve) => upstream.close(resolve));
    await database.drop();
    pod.remove();
  });

  it('is found alive and ready by the probes', async () => {
    const { startupProbe, livenessProbe, readinessProbe } = gatewayOf(chart.render()).container;
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
      const place = probe?.httpGet?.path;
      await until(async () => (await statusOf(place)) === 200);
    }
  });

  it('writes its journal on the volume, in a folder of its own', () => {
    expect(environment.AEGIS_JOURNAL_DIR).toBe(pod.path('data', 'journal'));
    expect(() => execFileSync('ls', [pod.path('data', 'journal')])).not.toThrow();
  });

  it('serves by another ConfigMap without a restart', async () => {
    expect(await ask('aegis-private')).toBe(200);
    expect(await ask('aegis-new')).toBe(404);
    const models = (files['models.yaml'] ?? '').replace('aegis-private:', 'aegis-new:');
    pod.publish('config', { ...files, 'models.yaml': models });
    await until(async () => (await ask('aegis-new')) === 200);
    expect(await ask('aegis-private')).toBe(404);
  });

  it("uses a provider's new credential once the Secret has it, without a restart", async () => {
    expect(credentials.at(-1)).toBe('Bearer first');
    pod.publish('secrets', { ...secrets, VLLM_API_KEY: 'second' });
    await until(async () => (await ask('aegis-new')) === 200 && credentials.at(-1) === 'Bearer second');
  });

  it('is not ready once it is told to end, serves on meanwhile, and ends in order', async () => {
    gateway.child.kill('SIGTERM');
    await until(async () => (await statusOf('/aegis/v1/health/ready')) === 503);
    expect(await ask('aegis-new')).toBe(200);
    expect(await gateway.exited).toBe(0);
    const [row] = await database.query<{ count: string }>(
      "SELECT count(*) FROM usage_request WHERE ending = 'complete'",
    );
    expect(Number(row?.count)).toBe(credentials.length);
  });
});
