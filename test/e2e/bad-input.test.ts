import { connect } from 'node:net';
import { request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

const MEBIBYTE = 1024 * 1024;
const CHAT = '/v1/chat/completions';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly error: { message: string; type: string; param: string | null; code: string; request_id: string };
}

describe('bad input gets its answer and nothing crashes', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await startTestGateway();
  });
  afterAll(() => gateway.close());
  afterEach(async () => {
    const alive = await send(CHAT, hello());
    expect(alive.status).toBe(200);
  });

  const hello = (changes: object = {}): string =>
    JSON.stringify({ model: 'test-model', messages: [{ role: 'user', content: 'hello' }], ...changes });

  async function send(
    path: string,
    body?: string | Buffer,
    options: { method?: string; headers?: object } = {},
  ): Promise<Answer> {
    const method = (options.method ?? (body === undefined ? 'GET' : 'POST')) as 'POST';
    const headers = {
      authorization: `Bearer ${gateway.key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    };
    const answer = await request(gateway.url + path, { method, headers, body: body ?? null });
    const text = await answer.body.text();
    const parsed = text === '' ? {} : (JSON.parse(text) as { error: Answer['error'] });
    return { status: answer.statusCode, headers: answer.headers, error: (parsed as { error: Answer['error'] }).error };
  }

  it.each([
    ['no key', {}],
    ['an empty key', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }],
    ["somebody else's key", { authorization: `Bearer sk-${'a'.repeat(40)}` }],
    ['a key with one character changed', { authorization: 'Bearer aegis-dev-00000000000000000000000000000000' }],
    ['a key of a megabyte less the limit', { authorization: `Bearer ${'k'.repeat(8_000)}` }],
  ])('401 for %s, the same words for all', async (_name, headers) => {
    const answer = await request(`${gateway.url}${CHAT}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(headers as Record<string, string>) },
      body: hello(),
    });
    expect(answer.statusCode).toBe(401);
    const { error } = (await answer.body.json()) as Answer;
    const missing = await request(`${gateway.url}/v1/models`);
    const reference = (await missing.body.json()) as Answer;
    expect(error).toEqual({ ...reference.error, request_id: error.request_id });
    expect(error).toMatchObject({ code: 'invalid_api_key', type: 'authentication_error' });
    expect(answer.headers['x-should-retry']).toBe('false');
  });

  it('401 for a well-formed key nobody ever made', async () => {
    const answer = await send(CHAT, hello(), { headers: { authorization: `Bearer ${await gateway.unknownKey()}` } });
    expect(answer).toMatchObject({ status: 401, error: { code: 'invalid_api_key' } });
  });

  it.each(['x-api-key', 'api-key'])('takes the key from %s too', async (header) => {
    const answer = await request(`${gateway.url}${CHAT}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [header]: gateway.key },
      body: hello(),
    });
    await answer.body.dump();
    expect(answer.statusCode).toBe(200);
  });

  it.each([
    ['broken JSON', '{"model":', 400, 'invalid_json'],
    ['an empty body', '', 400, 'invalid_json'],
    ['a body that is no object', '[]', 400, 'invalid_json'],
    ['a key twice', '{"model":"a","model":"b","messages":[]}', 400, 'invalid_json'],
    ['wrong types', '{"model":5,"messages":"hi","stream":"yes"}', 400, 'invalid_request'],
    ['a depth of a million', `{"messages":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`, 400, 'invalid_request'],
  ])('%s', async (_name, body, status, code) => {
    const answer = await send(CHAT, body);
    expect(answer).toMatchObject({ status, error: { code, type: 'invalid_request_error' } });
    expect(answer.error.request_id).toBe(answer.headers['x-request-id']);
  });

  it('400 for bytes that are not UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    expect(await send(CHAT, bytes)).toMatchObject({ status: 400, error: { code: 'invalid_json' } });
  });

  it('415 for another media type', async () => {
    const answer = await send(CHAT, hello(), { headers: { 'content-type': 'text/plain' } });
    expect(answer).toMatchObject({ status: 415, error: { code: 'unsupported_media_type' } });
  });

  it('404 for an unknown model, without repeating a hostile name', async () => {
    expect(await send(CHAT, hello({ model: 'nope' }))).toMatchObject({
      status: 404,
      error: { code: 'model_not_found' },
    });
    const hostile = await send(CHAT, hello({ model: 'gpt\r\nx-injected: yes' }));
    expect(hostile.status).toBe(404);
    expect(hostile.headers['x-injected']).toBeUndefined();
    expect(hostile.error.message).not.toContain('\n');
    const foreign = await send(CHAT, hello({ model: '模型' }));
    expect(foreign.status).toBe(404);
  });

  it('400 for a model name of a million characters', async () => {
    const answer = await send(CHAT, hello({ model: 'm'.repeat(1_000_000) }));
    expect(answer).toMatchObject({ status: 400, error: { param: 'model' } });
    expect(answer.error.message.length).toBeLessThan(300);
  });

  it('404 for an unknown path, 405 for a wrong method', async () => {
    expect(await send('/v1/embeddings', '{}')).toMatchObject({ status: 404, error: { code: 'not_found' } });
    expect(await send('/')).toMatchObject({ status: 404, error: { code: 'not_found' } });
    expect(await send('/v1/models/%zz')).toMatchObject({ status: 400, error: { code: 'invalid_request' } });
    expect(await send(CHAT)).toMatchObject({ status: 405, error: { code: 'method_not_allowed' } });
    expect(await send('/v1/models', undefined, { method: 'DELETE' })).toMatchObject({ status: 405 });
  });

  it.each(['content-length', 'chunked'])('413 for a body of 25 MiB (%s)', async (framing) => {
    const status = await sendLargeBody(framing === 'chunked');
    expect(status).toBe(413);
  });

  it('413 reaches a client that goes on sending', async () => {
    const body = Buffer.alloc(25 * MEBIBYTE, 'a');
    for (let round = 0; round < 5; round++) {
      expect(await send(CHAT, body)).toMatchObject({ status: 413, error: { code: 'request_too_large' } });
    }
  });

  it('401 reaches a client that is sending a large body, of which nothing is parsed', async () => {
    const body = `{"x":[${'{},'.repeat(1_000_000)}{}]}`;
    const headers = { authorization: `Bearer ${gateway.unknownKey()}` };
    for (let round = 0; round < 3; round++) {
      expect(await send(CHAT, body, { headers })).toMatchObject({ status: 401, error: { code: 'invalid_api_key' } });
    }
  });

  it.each([
    [
      'a message of a million numbers',
      `{"model":"m","messages":[{"role":"user","content":[${'0,'.repeat(1_000_000)}0]}]}`,
    ],
    ['a hundred thousand bad parts', `{"model":"m","messages":[{"role":"user","content":[${'0,'.repeat(100_000)}0]}]}`],
    ['a million empty objects', `{"model":"m","messages":[],"x":[${'{},'.repeat(1_000_000)}{}]}`],
  ])('400 for %s, shortly', async (_name, body) => {
    const answer = await send(CHAT, body);
    expect(answer).toMatchObject({ status: 400, error: { code: 'invalid_request' } });
    expect(answer.error.message.length).toBeLessThan(500);
  });

  it('400 for no body and no media type at all', async () => {
    const answer = await request(`${gateway.url}${CHAT}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}` },
    });
    expect([answer.statusCode, ((await answer.body.json()) as Answer).error.code]).toEqual([400, 'invalid_json']);
  });

  it('415 for a body that says it is compressed, or in another charset', async () => {
    expect((await send(CHAT, hello(), { headers: { 'content-encoding': 'gzip' } })).status).toBe(415);
    const utf16 = { headers: { 'content-type': 'application/json; charset=utf-16' } };
    expect((await send(CHAT, hello(), utf16)).status).toBe(415);
  });

  it('401 for two Authorization headers: nobody can say which was meant', async () => {
    const authorization = `authorization: Bearer ${gateway.key}\r\n`;
    const text = await raw(
      `GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${authorization}${authorization}\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('sees a classification header behind thousands of others', async () => {
    const others = 'a:b\r\n'.repeat(2_100);
    const text = await raw(
      `GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${gateway.key}\r\n` +
        `${others}x-aegis-classification: NONSENSE\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('answers a missing Host and an Expect it cannot meet in the envelope', async () => {
    for (const [headers, status] of [
      ['', '400'],
      ['host: x\r\nexpect: tea\r\n', '417'],
    ]) {
      const text = await raw(`GET /v1/models HTTP/1.1\r\n${headers}connection: close\r\n\r\n`);
      expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({
        error: { code: 'invalid_request' },
      });
    }
  });

  it('names the methods of a path in Allow', async () => {
    expect((await send(CHAT)).headers.allow).toBe('POST');
    expect((await send(`${CHAT}/`, '{}')).status).toBe(404);
  });

  it('400 for a classification or project header that cannot be one', async () => {
    const level = await send(CHAT, hello(), { headers: { 'x-aegis-classification': 'TOP-SECRET' } });
    expect(level).toMatchObject({ status: 400, error: { param: 'X-Aegis-Classification' } });
    const project = await send(CHAT, hello(), { headers: { 'x-aegis-project': 'a b' } });
    expect(project).toMatchObject({ status: 400, error: { param: 'X-Aegis-Project' } });
  });

  it('keeps a sound X-Request-ID and replaces any other', async () => {
    const kept = await send(CHAT, hello(), { headers: { 'x-request-id': 'my-id.1' } });
    expect(kept.headers['x-request-id']).toBe('my-id.1');
    const replaced = await send(CHAT, hello(), { headers: { 'x-request-id': 'x'.repeat(65) } });
    expect(replaced.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('answers what is not HTTP in the envelope and closes', async () => {
    const text = await raw('NONSENSE\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({ error: { code: 'invalid_request' } });
  });

  function raw(bytes: string): Promise<string> {
    const { hostname, port } = new URL(gateway.url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write(bytes));
      let text = '';
      socket.on('data', (piece) => {
        text += piece;
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
  }

  /** With a raw socket: the answer may come, and the connection close, long before the body is sent. */
  function sendLargeBody(chunked: boolean): Promise<number> {
    const { hostname, port, host } = new URL(gateway.url);
    const size = 25 * MEBIBYTE;
    const framing = chunked ? 'transfer-encoding: chunked' : `content-length: ${size}`;
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST ${CHAT} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${gateway.key}\r\n` +
            `content-type: application/json\r\n${framing}\r\n\r\n`,
        );
        const piece = Buffer.alloc(MEBIBYTE, 'a');
        for (let sent = 0; sent < size; sent += MEBIBYTE) {
          if (chunked) socket.write(`${MEBIBYTE.toString(16)}\r\n`);
          socket.write(piece);
          if (chunked) socket.write('\r\n');
        }
      });
      let text = '';
      socket.on('data', (bytes) => {
        text += bytes;
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
        if (status === undefined) reject(new Error('closed without an answer'));
        else resolve(Number(status));
      });
    });
  }
});
