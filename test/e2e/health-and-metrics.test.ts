import { request } from 'undici';
import { METRICS } from '../../src/telemetry/metrics.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

describe('health and metrics', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway.close());

  const get = async (url: string): Promise<{ status: number; text: string; type: string }> => {
    const answer = await request(url);
    return { status: answer.statusCode, text: await answer.body.text(), type: String(answer.headers['content-type']) };
  };

  it.each(['', '/live', '/ready'])('GET /aegis/v1/health%s answers 200 without a key', async (path) => {
    const { status, text } = await get(`${gateway.url}/aegis/v1/health${path}`);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ status: 'ok' });
  });

  it('says in the summary how each part is', async () => {
    const { text } = await get(`${gateway.url}/aegis/v1/health`);
    expect(JSON.parse(text)).toMatchObject({
      details: {
        process: { status: 'up', phase: 'serving' },
        configuration: { status: 'up', version: expect.stringMatching(/^[0-9a-f]{12}$/) },
        database: { status: 'up' },
        redis: { status: 'up', message: 'Not configured.' },
      },
    });
  });

  it('serves metrics on their own listener only', async () => {
    expect((await get(`${gateway.url}/metrics`)).status).toBe(404);
    const { status, text, type } = await get(gateway.metricsUrl);
    expect(status).toBe(200);
    expect(type).toContain('text/plain');
    for (const { name } of Object.values(METRICS)) expect(text).toContain(`# TYPE ${name} `);
  });

  it('counts requests, tokens, blocks and refusals, and never makes a label of what a client sent', async () => {
    const openai = gateway.openai();
    const ask = (model: string, content: string) =>
      openai.chat.completions.create({ model, messages: [{ role: 'user', content }] });
    await ask('test-model', 'hello');
    await ask('hostile-model-name', 'hello').catch(() => undefined);
    await ask('test-model', ['AKIA', 'Z7QX2MNBVCR4TKWD'].join('')).catch(() => undefined);

    // A request is recorded when its connection is done with it, which may be just after its client is.
    let { text } = await get(gateway.metricsUrl);
    while (!text.includes('aegis_requests_in_flight 0')) ({ text } = await get(gateway.metricsUrl));
    expect(text).toMatch(
      /aegis_requests_total\{model="test-model",provider="simulator",status="200",code="none"\} [1-9]/,
    );
    expect(text).toMatch(
      /aegis_requests_total\{model="unknown",provider="none",status="404",code="model_not_found"\} [1-9]/,
    );
    expect(text).toMatch(
      /aegis_requests_total\{model="test-model",provider="none",status="400",code="content_filter"\} [1-9]/,
    );
    expect(text).toMatch(/aegis_tokens_total\{model="test-model",provider="simulator",direction="input"\} [1-9]/);
    expect(text).toMatch(/aegis_filter_actions_total\{filter="secrets",rule="[a-z0-9-]+",action="block"\} [1-9]/);
    expect(text).toMatch(
      /aegis_upstream_attempts_total\{provider="simulator",model="simulator",outcome="success"\} [1-9]/,
    );
    expect(text).toContain('aegis_dependency_state{dependency="database",state="healthy"} 1');
    expect(text).toContain('aegis_requests_in_flight 0');
    expect(text).not.toContain('hostile-model-name');
  });

  it('publishes an OpenAPI document that knows every route and the error envelope', async () => {
    const { text } = await get(`${gateway.url}/aegis/v1/openapi.json`);
    const document = JSON.parse(text) as {
      openapi: string;
      paths: Record<string, object>;
      components: { schemas: object };
    };
    expect(document.openapi).toMatch(/^3\./);
    expect(Object.keys(document.paths).sort()).toEqual([
      '/aegis/v1/health',
      '/aegis/v1/health/live',
      '/aegis/v1/health/ready',
      '/v1/chat/completions',
      '/v1/models',
      '/v1/models/{id}',
    ]);
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['ErrorEnvelope', 'ChatCompletion']),
    );
  });

  it('documents every status that a GET is answered with', async () => {
    interface Document {
      readonly paths: Readonly<Record<string, { readonly get?: { readonly responses: object } }>>;
    }
    const { paths } = JSON.parse((await get(`${gateway.url}/aegis/v1/openapi.json`)).text) as Document;
    const statuses: Record<string, string[]> = {};
    for (const [path, { get: operation }] of Object.entries(paths)) {
      if (operation) statuses[path] = Object.keys(operation.responses);
    }
    const guarded = ['200', '400', '401', '403', '415', '429', '500', '503'];
    expect(statuses).toEqual({
      '/aegis/v1/health': ['200', '400', '503'],
      '/aegis/v1/health/live': ['200', '400', '503'],
      '/aegis/v1/health/ready': ['200', '400', '503'],
      '/v1/models': guarded,
      '/v1/models/{id}': [...guarded, '404'].sort(),
    });
    const encoded = { authorization: `Bearer ${gateway.key}`, 'content-encoding': 'gzip' };
    for (const path of ['/v1/models', '/v1/models/{id}']) {
      const { statusCode, body } = await request(`${gateway.url}${path.replace('{id}', 'x')}`, { headers: encoded });
      await body.dump();
      expect(statuses[path]).toContain(String(statusCode));
    }
  });
});
