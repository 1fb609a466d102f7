import { readFileSync } from 'node:fs';
import { request } from 'undici';
import { parse } from 'yaml';
import { startTestGateway, type TestGateway } from '../../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { chunkEvent, completionAnswer, jsonAnswer, ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { note } from '../support/notes.js';
import { streamOf } from '../support/provider-answers.js';
import { codeOf, exchange, requestText } from '../support/wire.js';

/** In two parts, so that it looks like a credential to nobody who scans this repository. */
const SECRET = ['AKIA', 'Z7QX2MNBVCR4TKWD'].join('');
const MARKER = '[REDACTED:aws-access-key-id]';
const DONE = [chunkEvent({}, 'stop'), 'data: [DONE]\n\n'];

let upstream: ScriptableUpstream;
let gateway: TestGateway;
beforeAll(async () => {
  upstream = await ScriptableUpstream.start();
  gateway = await startTestGateway();
  expect(await gateway.reload(config('redact'))).toBe('applied');
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

function config(responseAction: 'redact' | 'block') {
  const provider = { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' };
  return {
    gateway: {
      filters: {
        secrets: { response_action: responseAction },
        personal_data: { enabled: true, action: 'flag' },
        prompt_injection: { enabled: true },
      },
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' },
    },
    providers: { only: provider },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'RESTRICTED' } } },
    freeModels: ['only/m'],
    rules: { 'personal-data-rules.yaml': readFileSync('config/personal-data-rules.yaml', 'utf8') },
  };
}

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly elapsedMs: number;
}

async function ask(body: object, url = gateway.url): Promise<Reply> {
  const startedAtMs = performance.now();
  const answer = await request(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: 'hi' }], ...body }),
  });
  let text = '';
  try {
    for await (const piece of answer.body) text += String(piece);
  } catch {
    // A stream that is blocked is cut.
  }
  return { status: answer.statusCode, text, elapsedMs: performance.now() - startedAtMs };
}

const cut = (text: string, size: number) => text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];

interface Delta {
  readonly content?: string;
  readonly tool_calls?: readonly { readonly function?: { readonly arguments?: string } }[];
}

/** What a client of a stream has in the end. */
function received(text: string, read: (delta: Delta) => string | undefined): string {
  return [...text.matchAll(/^data: (\{.*\})$/gm)]
    .flatMap(([, data = '']) => (JSON.parse(data) as { choices?: { delta: Delta }[] }).choices ?? [])
    .map(({ delta }) => read(delta) ?? '')
    .join('');
}

describe('a credential in pieces', () => {
  const TEXT = `the key is ${SECRET}, keep it`;
  const EXPECTED = `the key is ${MARKER}, keep it`;

  it('row 82: in an answer: the same verdict however its chunks and its bytes are cut', async () => {
    expect(await gateway.reload(config('redact'))).not.toBe('rejected');
    for (let size = 1; size <= TEXT.length; size += 1) {
      const deltas = cut(TEXT, size).map((content) => chunkEvent({ content }));
      upstream.script({ ...streamOf([], ...deltas, ...DONE), sliceBytes: size * 3 });
      const { text } = await ask({ stream: true });
      expect({ size, content: received(text, ({ content }) => content) }).toEqual({ size, content: EXPECTED });
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    }
  });

  it("row 82: in a tool's arguments: the same", async () => {
    const whole = JSON.stringify({ command: TEXT });
    const call = (part: object) => chunkEvent({ tool_calls: [{ index: 0, ...part }] });
    for (let size = 1; size <= whole.length; size += 3) {
      const pieces = cut(whole, size).map((piece) => call({ function: { arguments: piece } }));
      const head = call({ id: 'c', type: 'function', function: { name: 'run', arguments: '' } });
      upstream.script(streamOf([], head, ...pieces, chunkEvent({}, 'tool_calls'), 'data: [DONE]\n\n'));
      const { text } = await ask({ stream: true });
      const told = received(text, ({ tool_calls: calls }) => calls?.[0]?.function?.arguments);
      expect({ size, arguments: JSON.parse(told) }).toEqual({ size, arguments: { command: EXPECTED } });
    }
  });

  it('row 82: where answers are blocked: the stream ends with the reason and without [DONE], and not a character is told', async () => {
    expect(await gateway.reload(config('block'))).toBe('applied');
    for (const size of [1, 2, 7, SECRET.length, TEXT.length]) {
      upstream.script(streamOf([], ...cut(TEXT, size).map((content) => chunkEvent({ content })), ...DONE));
      const { text } = await ask({ stream: true });
      expect(text).toContain('"code":"content_filter"');
      expect(text).not.toContain('[DONE]');
      expect(received(text, ({ content }) => content)).toBe('the key is ');
    }
    upstream.script(completionAnswer(TEXT));
    const whole = await ask({});
    expect(whole.text).toContain('content_filter');
    expect(whole.text).not.toContain(SECRET);
    expect(await gateway.reload(config('redact'))).toBe('applied');
  });
});

describe('a credential in disguise', () => {
  const escaped = [...SECRET].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  const DISGUISES: readonly [string, string][] = [
    ['as it is', SECRET],
    ['base64', Buffer.from(`aws_access_key_id=${SECRET}`).toString('base64')],
    ['base64url', Buffer.from(`aws_access_key_id=${SECRET}>>>`).toString('base64url')],
    ['hexadecimal', Buffer.from(SECRET).toString('hex')],
    ['percent-encoded', [...SECRET].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('')],
    ['JSON escapes', escaped],
    ['HTML entities', [...SECRET].map((letter) => `&#${letter.charCodeAt(0)};`).join('')],
    ['zero-width joiners between', [...SECRET].join('\u200d')],
    ['zero-width spaces between', [...SECRET].join('\u200b')],
    ['a soft hyphen in it', `${SECRET.slice(0, 9)}\u00ad${SECRET.slice(9)}`],
    ['full-width letters', [...SECRET].map((letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0)).join('')],
  ];

  it.each(DISGUISES)('row 82: of a request, %s: blocked, and nobody is asked', async (_name, text) => {
    upstream.forget();
    for (const body of [
      { messages: [{ role: 'user', content: `use ${text} please` }] },
      { messages: [{ role: 'user', content: [{ type: 'text', text: `use ${text} please` }] }] },
      { tools: [{ type: 'function', function: { name: 'f', description: text } }] },
      { metadata: { note: text } },
    ]) {
      const reply = await ask(body);
      expect({ status: reply.status, blocked: reply.text.includes('"content_filter"') }).toEqual({
        status: 400,
        blocked: true,
      });
      expect(reply.text).not.toContain(SECRET);
    }
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('texts that are made to take long', () => {
  const SIZE = 100_000;
  const SLOWEST_MS = 5_000;
  interface RuleFile {
    readonly rules: readonly {
      readonly id: string;
      readonly anchors?: readonly string[];
      readonly examples?: { readonly positive?: readonly string[] };
    }[];
  }
  const files = ['secret-rules.yaml', 'personal-data-rules.yaml'];
  const rules = files.flatMap((file) => (parse(readFileSync(`config/${file}`, 'utf8')) as RuleFile).rules);
  let child: GatewayProcess;
  afterAll(async () => {
    child?.child.kill('SIGKILL');
    await child?.exited;
  });

  it('row 83: of every rule: answered within its budget, while others are served', async () => {
    child = spawnGateway({ AEGIS_CONFIG_DIR: gateway.configDirectory });
    const url = String((await child.logged('gateway is listening')).url);
    upstream.script(completionAnswer('fine'));
    // What nearly is a match, over and over, and never becomes one.
    const seeds = rules.flatMap(({ anchors = [], examples }) => {
      const example = examples?.positive?.[0]?.replaceAll('<+>', '') ?? '';
      return [anchors[0] ?? 'a', `${example.slice(0, -1)}!`].filter((seed) => seed.length > 0);
    });
    const texts = ['a', 'a!', '=', ' ', '-', '0', '/', '\\u0061', '%41', '&#65;', 'AAAA', '\u200d', ...seeds];
    expect(rules.length).toBeGreaterThan(50);
    let slowestMs = 0;
    let slowestSeed = '';
    let canaryMs = 0;
    for (const seed of texts) {
      const content = `${seed.repeat(Math.ceil(SIZE / seed.length)).slice(0, SIZE - 1)}!`;
      const [long, canary] = await Promise.all([ask({ messages: [{ role: 'user', content }] }, url), ask({}, url)]);
      expect({ seed, status: [200, 400].includes(long.status) }).toEqual({ seed, status: true });
      expect(canary.status).toBe(200);
      if (long.elapsedMs > slowestMs) [slowestMs, slowestSeed] = [long.elapsedMs, seed];
      canaryMs = Math.max(canaryMs, canary.elapsedMs);
    }
    note(
      `${texts.length} texts, slowest ${Math.round(slowestMs)} ms (${slowestSeed.slice(0, 12)}), canary ${Math.round(canaryMs)} ms`,
    );
    expect(slowestMs).toBeLessThan(SLOWEST_MS);
  }, 180_000);
});

describe('every door', () => {
  interface OpenApi {
    readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
  }
  const PUBLIC = new Set([
    '/aegis/v1/health',
    '/aegis/v1/health/live',
    '/aegis/v1/health/ready',
    '/aegis/v1/openapi.json',
  ]);

  async function send(method: string, path: string, headers: readonly string[] = []) {
    const line = `${method} ${path} HTTP/1.1`;
    const body = method === 'POST' ? '{}' : '';
    const framing = body === '' ? [] : ['content-type: application/json', `content-length: ${body.length}`];
    const { answers } = await exchange(
      gateway.url,
      requestText(line, ['host: x', 'connection: close', ...framing, ...headers], body),
    );
    return answers[0];
  }

  it('row 84: that is not a probe wants a key, by whatever method', async () => {
    const document = (await (await request(`${gateway.url}/aegis/v1/openapi.json`)).body.json()) as OpenApi;
    const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => [method.toUpperCase(), path.replace(/\{[^}]+\}/g, 'alias')] as const),
    );
    const closed = routes.filter(([, path]) => !PUBLIC.has(path));
    expect(closed.length).toBeGreaterThanOrEqual(3);
    for (const [method, path] of closed) {
      const answer = await send(method, path);
      expect({ method, path, status: answer?.status, code: answer && codeOf(answer) }).toEqual({
        method,
        path,
        status: 401,
        code: 'invalid_api_key',
      });
    }
    // HEAD goes where GET goes; it must not be a way around the key.
    for (const [, path] of closed) {
      const head = requestText(`HEAD ${path} HTTP/1.1`, ['host: x', 'connection: close']);
      expect((await exchange(gateway.url, head)).text).toMatch(/^HTTP\/1\.1 40[145] /);
    }
  });

  it('row 84: that there is not is 404 in the envelope, with a key and without', async () => {
    const authorization = [`authorization: Bearer ${gateway.key}`];
    for (const path of [
      '/v1/embeddings',
      '/v1/completions',
      '/v1/responses',
      '/v1/images/generations',
      '/v1/files',
      '/v1/proxy',
      '/openai/v1/chat/completions',
      '/metrics',
      '/admin',
      '/.env',
      '/',
    ]) {
      for (const headers of [[], authorization]) {
        const answer = await send('POST', path, headers);
        expect({ path, status: answer?.status, code: answer && codeOf(answer) }).toEqual({
          path,
          status: 404,
          code: 'not_found',
        });
      }
    }
  });

  it('row 84: a limit of a key holds on the routes that answer with its models, too', async () => {
    upstream.script(jsonAnswer(200, {}));
    const limited = await gateway.mintKey({ allowedModels: [] });
    const answer = await send('GET', '/v1/models', [`authorization: Bearer ${limited}`]);
    expect(JSON.parse(answer?.body ?? '{}')).toMatchObject({ data: [] });
    expect((await send('GET', '/v1/models/alias', [`authorization: Bearer ${limited}`]))?.status).toBe(404);
  });
});
