import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { completionAnswer, type ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { expectError, type FaultGateway, FaultSite, MODEL, makeConfig, target } from '../support/fault-site.js';
import { exchange, requestText } from '../support/wire.js';

const PATH = '/v1/chat/completions';
const BODY = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }] });
const LENGTH = `content-length: ${BODY.length}`;
const site = new FaultSite();

interface Scene {
  readonly upstream: ScriptableUpstream;
  readonly gateway: FaultGateway;
}

async function setUp(provider: Readonly<Record<string, unknown>> = {}): Promise<Scene> {
  const upstream = (await site.upstream()).script(completionAnswer('fine'));
  return { upstream, gateway: await site.gateway([target(upstream, provider)]) };
}

function key({ gateway }: FaultGateway): string {
  return `authorization: Bearer ${gateway.key}`;
}

const JSON_TYPE = 'content-type: application/json';

describe('names that are paths', () => {
  const NAMES = [
    '../../x?api-version=1',
    '..%2f..%2fx',
    'm0/../../admin',
    'm0?x=y',
    'm0#x',
    'http://other/m0',
    '.',
    '..',
  ];

  it.each(NAMES)('row 72: as a model of a request: %j calls nobody', async (model) => {
    const { gateway, upstream } = await setUp();
    expectError(await gateway.ask({ model }), 404, 'model_not_found');
    const { answers } = await exchange(
      gateway.gateway.url,
      requestText(`GET /v1/models/${encodeURIComponent(model)} HTTP/1.1`, [
        'host: x',
        'connection: close',
        key(gateway),
      ]),
    );
    expect(answers.map(({ status }) => status)).toEqual([404]);
    expect(upstream.requests).toHaveLength(0);
  });

  it.each(['a/../b', 'a?x=y', 'a#b', '%2e%2e', 'a b', 'a\r\nb'])(
    'row 72: as a deployment of the configuration: %j is refused',
    async (deployment) => {
      const { gateway, upstream } = await setUp();
      const azure = { type: 'azure_openai', api_version: '2024-10-21', base_url: upstream.url };
      const changed = makeConfig('azure', [target(upstream, azure, { deployment })]);
      expect(await gateway.gateway.reload(changed)).toBe('rejected');
      expect(
        await gateway.gateway.reload(makeConfig('azure', [target(upstream, azure, { deployment: 'a.b-c_d' })])),
      ).toBe('applied');
      expect((await gateway.ask()).status).toBe(200);
      expect(upstream.requests[0]?.path).toBe('/openai/deployments/a.b-c_d/chat/completions?api-version=2024-10-21');
    },
  );

  it.each([
    '/v1/models/../../etc/passwd',
    '/v1//chat/completions',
    '/v1/chat/completions/',
    '/V1/chat/completions',
    '/v1/chat%2fcompletions',
    '/%2e%2e/v1/chat/completions',
    '//v1/chat/completions',
    '/v1/chat/completions;x=y',
  ])('row 72: as a path of the gateway: %s leads nowhere else', async (path) => {
    const { gateway, upstream } = await setUp();
    const { answers } = await exchange(
      gateway.gateway.url,
      requestText(`POST ${path} HTTP/1.1`, ['host: x', 'connection: close', key(gateway), JSON_TYPE, LENGTH], BODY),
    );
    expect(answers.map(({ status }) => status)).toEqual([404]);
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('addresses in a request', () => {
  let canary: Server;
  let hits = 0;
  beforeAll(async () => {
    canary = createServer((socket) => {
      hits += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(canary, 'listening');
  });
  afterAll(() => canary.close());

  const STEERING = [
    'api_base',
    'base_url',
    'api_key',
    'api_version',
    'organization',
    'custom_llm_provider',
    'proxy',
    'endpoint',
  ];

  it('row 73: fields that steer other gateways steer nothing here', async () => {
    const { gateway, upstream } = await setUp();
    const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}`;
    for (const field of STEERING) {
      const reply = await gateway.ask({ [field]: url, extra_body: { [field]: url }, metadata: { [field]: url } });
      expect(reply.status).toBe(200);
    }
    expect(upstream.requests).toHaveLength(STEERING.length);
    expect(
      upstream.requests.filter(({ path, headers }) => path !== PATH || headers.authorization !== 'Bearer credential-0'),
    ).toEqual([]);
    expect(hits).toBe(0);
  });

  it('row 73: images and files by address are passed on as they are written, and never fetched', async () => {
    const { gateway, upstream } = await setUp();
    const { port } = canary.address() as AddressInfo;
    const urls = [
      `http://127.0.0.1:${port}/a.png`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://0x7f.1:${port}/`,
      `http://localhost:${port}/`,
      'http://169.254.169.254/latest/meta-data/',
      'file:///etc/passwd',
      'gopher://127.0.0.1/',
    ];
    for (const url of urls) {
      const content = [
        { type: 'text', text: 'what is it?' },
        { type: 'image_url', image_url: { url } },
      ];
      expect((await gateway.ask({ messages: [{ role: 'user', content }] })).status).toBe(200);
      expect(upstream.requests.at(-1)?.json()).toMatchObject({ messages: [{ content }] });
    }
    expect(hits).toBe(0);
  });

  it('row 73: a provider that sends somewhere else is not followed', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)], { circuit_breaker: { enabled: false } });
    const location = `http://127.0.0.1:${(canary.address() as AddressInfo).port}${PATH}`;
    for (const status of [301, 302, 303, 307, 308]) {
      upstream.script({ status, headers: { location } });
      expectError(await gateway.ask(), 502, 'upstream_invalid_response');
    }
    expect(hits).toBe(0);
  });

  it('row 73: the Host header chooses nothing', async () => {
    const { gateway, upstream } = await setUp();
    const { port } = canary.address() as AddressInfo;
    for (const host of [`127.0.0.1:${port}`, 'admin', 'localhost', 'a b', '']) {
      const { answers } = await exchange(
        gateway.gateway.url,
        requestText('GET /v1/models HTTP/1.1', [
          `host: ${host}`,
          `x-forwarded-host: 127.0.0.1:${port}`,
          'connection: close',
        ]),
      );
      // Nor does it open a door: a request without a key is refused whatever it says.
      expect(answers.filter(({ status }) => status !== 401 && status !== 400)).toEqual([]);
      expect(answers).toHaveLength(1);
    }
    expect([hits, upstream.requests.length]).toEqual([0, 0]);
  });
});
