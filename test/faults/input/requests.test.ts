import { request } from 'undici';
import { completionAnswer, jsonAnswer, type ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { expectError, type FaultGateway, FaultSite, MODEL, type Reply, target } from '../support/fault-site.js';
import { streamOf } from '../support/provider-answers.js';
import { codeOf, exchange, requestText } from '../support/wire.js';

const PATH = '/v1/chat/completions';
const CHAT = `POST ${PATH} HTTP/1.1`;
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

describe('keys that reach for a prototype', () => {
  const CARRIERS: readonly [string, string][] = [
    ['the body', '{"__proto__":{"isAdmin":true},REST}'],
    ['a message', `{"model":"${MODEL}","messages":[{"role":"user","content":"hi","__proto__":{"isAdmin":true}}]}`],
    ['metadata', '{"metadata":{"a":{"__proto__":{"isAdmin":true}}},REST}'],
    ['escapes', '{"metadata":{"\\u005f_proto__":{"isAdmin":true}},REST}'],
    ['constructor', '{"metadata":{"constructor":{"prototype":{"isAdmin":true}}},REST}'],
  ];
  const isPolluted = (): boolean =>
    'isAdmin' in {} || 'isAdmin' in (JSON.parse('{}') as object) || 'isAdmin' in Buffer.prototype;

  it.each(CARRIERS)('row 69: in %s: refused, or harmless; nothing is changed by them', async (name, template) => {
    const { gateway, upstream } = await setUp();
    const body = template.replace('REST', BODY.slice(1, -1));
    const answer = await request(`${gateway.gateway.url}${PATH}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.gateway.key}`, 'content-type': 'application/json' },
      body,
    });
    await answer.body.dump();
    expect(answer.statusCode).toBe(name === 'constructor' ? 200 : 400);
    expect(upstream.requests).toHaveLength(name === 'constructor' ? 1 : 0);
    expect(isPolluted()).toBe(false);
  });

  it("row 69: in a provider's answer, its chunks and its errors: nothing is changed by them", async () => {
    const { gateway, upstream } = await setUp();
    const hostile = '"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}},';
    const answer = String(completionAnswer('fine').body).replaceAll('{"', `{${hostile}"`);
    upstream.script({ ...completionAnswer(''), body: answer });
    expect((await gateway.ask()).status).toBe(200);
    const chunk = '{"id":"i","choices":[{"index":0,"delta":{"content":"fine"},"finish_reason":"stop"}]}';
    upstream.script(streamOf([], `data: ${chunk.replaceAll('{"', `{${hostile}"`)}\n\n`, 'data: [DONE]\n\n'));
    expect((await gateway.stream()).content).toBe('fine');
    upstream.script({ ...jsonAnswer(400, {}), body: `{${hostile}"error":{${hostile}"message":"no"}}` });
    expect((await gateway.ask()).status).toBe(400);
    expect(isPolluted()).toBe(false);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'row 69: as a model: %s is none',
    async (model) => {
      const { gateway, upstream } = await setUp();
      expectError(await gateway.ask({ model }), 404, 'model_not_found');
      expect(upstream.requests).toHaveLength(0);
    },
  );
});

describe('text that would end a header', () => {
  it.each(['gpt\r\nx-injected: yes', 'gpt\nx-injected: yes', 'gpt\0', '模型', 'gpt\u2028', 'é'.repeat(20)])(
    'row 70: as a model: %j is unknown and stands in no header',
    async (model) => {
      const { gateway } = await setUp();
      const reply = await gateway.ask({ model });
      expectError(reply, 404, 'model_not_found');
      expect(reply.headers['x-injected']).toBeUndefined();
      expect(reply.json().error?.message).not.toMatch(/[\r\n\0]/);
    },
  );

  it('row 70: as a user, and as the model of an answer: answered, and in no header', async () => {
    const { gateway, upstream } = await setUp();
    upstream.script(completionAnswer('fine', '模型\r\nx-injected: yes'));
    const reply = await gateway.ask({ user: 'a\r\nx-injected: yes' });
    expect(reply.status).toBe(200);
    expect(reply.headers).toMatchObject({ 'x-aegis-model': 'm0' });
    expect(reply.headers['x-injected']).toBeUndefined();
  });

  it.each([
    ['10 KB long', 'x'.repeat(10_240)],
    ['with a blank', 'a b'],
    ['not ASCII', 'caf\xe9'],
    ['with a path', '../../etc/passwd'],
    ['with markup', '<script>'],
    ['empty', ''],
  ])('row 70: a request id %s is replaced', async (_name, id) => {
    const { gateway } = await setUp();
    const { answers } = await exchange(
      gateway.gateway.url,
      requestText('GET /v1/models HTTP/1.1', ['host: x', 'connection: close', key(gateway), `x-request-id: ${id}`]),
    );
    expect(answers[0]?.status).toBe(200);
    expect(answers[0]?.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(['x-request-id: a\0b', 'x-request-id: a\rb', 'x\x01y: z', 'bad name: z', ': z'])(
    'row 70: a header that is none, %j: 400, and the connection closes',
    async (header) => {
      const { gateway } = await setUp();
      const { answers, closed } = await exchange(
        gateway.gateway.url,
        requestText('GET /v1/models HTTP/1.1', ['host: x', key(gateway), header]),
      );
      expect(answers.map(({ status }) => status)).toEqual([400]);
      expect(closed).toBe(true);
    },
  );

  it('row 70: headers past every limit: 431, in the envelope', async () => {
    const { gateway } = await setUp();
    const { answers, closed } = await exchange(
      gateway.gateway.url,
      requestText('GET /v1/models HTTP/1.1', ['host: x', `x-long: ${'x'.repeat(100_000)}`]),
    );
    expect([answers[0]?.status, answers[0] && codeOf(answers[0])]).toEqual([431, 'invalid_request']);
    expect(closed).toBe(true);
  });
});

describe('headers on their way through', () => {
  it("row 74: none of the client's reaches the provider", async () => {
    const { gateway, upstream } = await setUp({ headers: { 'openai-organization': 'ours' } });
    const theirs = [
      'x-api-key: KEY',
      'cookie: session=theirs',
      'x-forwarded-for: 10.0.0.1',
      'x-forwarded-host: theirs',
      'forwarded: for=theirs',
      'via: 1.1 theirs',
      'openai-organization: theirs',
      'openai-project: theirs',
      'proxy-authorization: Basic theirs',
      'te: trailers',
      'keep-alive: timeout=5',
      'x-foo: theirs',
      'x-aegis-project: project',
      'connection: close, x-foo, content-length',
      'user-agent: theirs',
      'baggage: theirs=1',
    ].map((header) => header.replace('KEY', gateway.gateway.key));
    const { answers } = await exchange(
      gateway.gateway.url,
      requestText(CHAT, ['host: theirs', key(gateway), JSON_TYPE, LENGTH, ...theirs], BODY),
    );
    expect(answers.map(({ status }) => status)).toEqual([200]);
    const sent = upstream.requests[0]?.rawHeaders ?? [];
    expect(sent.join('\n')).not.toMatch(/theirs|10\.0\.0\.1|aegis-test-|x-foo|x-aegis|project$/m);
    expect(upstream.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer credential-0',
      'openai-organization': 'ours',
      host: new URL(upstream.url).host,
    });
  });

  it.each([false, true])("row 74: none of the provider's reaches the client (stream: %s)", async (stream) => {
    const { gateway, upstream } = await setUp();
    const secret = {
      'set-cookie': 'session=theirs',
      'openai-organization': 'org-theirs',
      'openai-processing-ms': '5',
      'x-request-id': 'req_theirs',
      server: 'theirs',
      'cf-ray': 'theirs',
      'x-api-key': 'credential-0',
      'proxy-authenticate': 'Basic realm=theirs',
      'strict-transport-security': 'max-age=1',
      'access-control-allow-origin': '*',
      'x-ratelimit-remaining-tokens': '1',
    };
    const answer = stream
      ? streamOf(
          ['fine'],
          'data: {"id":"i","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
          'data: [DONE]\n\n',
        )
      : completionAnswer('fine');
    upstream.script({ ...answer, headers: { ...answer.headers, ...secret } });
    const reply: Reply = await gateway.ask({ stream });
    expect(reply.status).toBe(200);
    expect(JSON.stringify(reply.headers)).not.toMatch(/theirs|credential|max-age/);
    const both = Object.keys(secret).filter((name) => name in reply.headers && name !== 'x-request-id');
    expect(both).toEqual([]);
  });
});
