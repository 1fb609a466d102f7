import { request } from 'undici';
import { AEGIS_VERSION } from '../../src/domain/version.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import { completionAnswer, errorAnswer, ScriptableUpstream } from '../support/scriptable-upstream.js';

const SECRET = 'a-credential-of-the-provider';

interface Report {
  readonly status: string;
  readonly details: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

describe('the health summary', () => {
  const upstreams = new Map<string, ScriptableUpstream>();
  let gateway: TestGateway;

  const upstream = (name: string): ScriptableUpstream => {
    const found = upstreams.get(name);
    if (!found) throw new Error(`no upstream ${name}`);
    return found;
  };

  beforeAll(async () => {
    const names = ['steady', 'failing', 'limiting', 'refusing'];
    for (const name of names) upstreams.set(name, await ScriptableUpstream.start());
    const provider = (name: string) => ({ type: 'openai', base_url: `${upstream(name).url}/v1`, api_key: SECRET });
    gateway = await startTestGateway({
      gateway: { routing: { circuit_breaker: { consecutive_failures: 1, open_for: '30s' } } },
      providers: {
        ...Object.fromEntries(names.map((name) => [name, provider(name)])),
        keyless: { type: 'openai', base_url: 'https://api.openai.com/v1', api_key: '' },
      },
      models: Object.fromEntries(
        names.map((name) => [
          `use-${name}`,
          { primary: { provider: name, model: 'secret-model', classification_ceiling: 'INTERNAL' } },
        ]),
      ),
      freeModels: names.map((name) => `${name}/secret-model`),
    });
  });
  afterAll(async () => {
    await gateway.close();
    for (const each of upstreams.values()) await each.close();
  });

  async function health(
    path = '',
  ): Promise<{ readonly status: number; readonly text: string; readonly report: Report }> {
    const answer = await request(`${gateway.url}/aegis/v1/health${path}`);
    const text = await answer.body.text();
    return { status: answer.statusCode, text, report: JSON.parse(text) as Report };
  }

  const ask = (name: string) =>
    gateway
      .openai()
      .chat.completions.create({ model: `use-${name}`, messages: [{ role: 'user', content: 'hello' }] })
      .catch(() => undefined);

  it('tells versions, the configuration and its age, the stores, the journal and every provider', async () => {
    const { status, report } = await health();
    expect(status).toBe(200);
    const idle = { circuits: { closed: 1, halfOpen: 0, open: 0 }, cooldownSeconds: 0, saturated: false };
    expect(report).toMatchObject({
      status: 'ok',
      details: {
        process: {
          version: AEGIS_VERSION,
          node: process.version,
          uptimeSeconds: expect.any(Number),
          phase: 'serving',
          inFlight: 0,
        },
        configuration: {
          version: expect.stringMatching(/^[0-9a-f]{12}$/),
          loadedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
          ageSeconds: expect.any(Number),
          pendingRestart: [],
        },
        database: { status: 'up' },
        redis: { status: 'up' },
        accounting: { status: 'up', waiting: expect.any(Number) },
        circuits: { status: 'up', open: 0, halfOpen: 0 },
        providers: {
          status: 'up',
          steady: { state: 'available', credential: 'not refused', ...idle },
          keyless: { state: 'unconfigured', credential: 'missing' },
        },
      },
    });
  });

  it('tells which providers are in trouble and how, and goes on serving', async () => {
    upstream('steady').script(completionAnswer('hi'));
    upstream('failing').script(errorAnswer(503));
    upstream('limiting').script(errorAnswer(429, 'slow down', { 'retry-after': '30' }));
    upstream('refusing').script(errorAnswer(401));
    for (const name of upstreams.keys()) await ask(name);
    const { status, report } = await health();
    expect(status).toBe(200);
    expect(report.details.providers).toMatchObject({
      status: 'degraded',
      steady: { state: 'available' },
      failing: { state: 'unavailable', circuits: { closed: 0, halfOpen: 0, open: 1 } },
      limiting: { state: 'unavailable', cooldownSeconds: expect.any(Number), circuits: { closed: 1 } },
      refusing: { state: 'unavailable', credential: 'refused' },
    });
    const limiting = report.details.providers?.limiting as { readonly cooldownSeconds: number } | undefined;
    expect(limiting?.cooldownSeconds).toBeGreaterThan(20);
    expect((await health('/ready')).status).toBe(200);
  });

  it('costs no upstream a call, and names no credential, model, address or error', async () => {
    const asked = () =>
      [...upstreams.values()].reduce((sum, { requests, connections }) => sum + requests.length + connections, 0);
    const before = asked();
    const texts: string[] = [];
    for (let round = 0; round < 30; round++) {
      for (const path of ['', '/live', '/ready']) texts.push((await health(path)).text);
    }
    expect(asked()).toBe(before);
    const said = texts.join('');
    for (const secret of [SECRET, 'secret-model', 'use-steady', '127.0.0.1', 'postgres', 'slow down', 'acme']) {
      expect(said).not.toContain(secret);
    }
  });
});
