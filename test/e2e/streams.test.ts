import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { APIError } from 'openai';
import { request } from 'undici';
import { startTestGateway, type TestGateway } from '../support/gateway.js';
import {
  brokenStreamAnswer,
  chunkEvent,
  completionAnswer,
  ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../support/scriptable-upstream.js';

const MEBIBYTE = 1024 * 1024;

describe('streams', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway({
      // One target has to answer after many a failure.
      gateway: { routing: { circuit_breaker: { enabled: false } } },
      providers: {
        only: {
          type: 'openai',
          base_url: `${upstream.url}/v1`,
          api_key: 'credential',
          timeouts: { idle: '500ms', first_byte: '20s' },
        },
      },
      models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
      freeModels: ['only/m'],
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => upstream.forget());

  const body = (stream: boolean) =>
    JSON.stringify({ model: 'alias', stream, messages: [{ role: 'user', content: 'hi' }] });

  /** A client of which only the connection matters. */
  function open(stream: boolean): Socket {
    const { hostname, port, host } = new URL(gateway.url);
    const text = body(stream);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${gateway.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    return socket;
  }

  async function gauge(name: string): Promise<number> {
    const text = await (await request(gateway.metricsUrl)).body.text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  async function eventually(holds: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  describe('the upstream call ends with the client', () => {
    it.each<[string, boolean, ScriptedAnswer]>([
      ['while the upstream has not answered a stream', true, { refuse: 'hang' }],
      ['while the upstream has not answered a completion', false, { refuse: 'hang' }],
      [
        'while a stream has begun without content',
        true,
        { headers: { 'content-type': 'text/event-stream' }, ending: 'stall' },
      ],
      [
        'in the middle of a stream',
        true,
        { ...streamAnswer(Array.from({ length: 400 }, () => 'word ')), pieceDelayMs: 20 },
      ],
    ])('%s', async (_phase, stream, answer) => {
      upstream.script(answer);
      const client = open(stream);
      const call = await upstream.request();
      if (answer.pieceDelayMs) await once(client, 'data');
      client.destroy();
      await call.closed;
      expect(upstream.requests).toHaveLength(1);
      await eventually(async () => (await gauge('aegis_requests_in_flight')) === 0);
      expect(await gauge('aegis_streams_open')).toBe(0);
    });

    it('for every request a client sent ahead of the answers', async () => {
      upstream.script({ refuse: 'hang' });
      const client = open(true);
      const text = body(true);
      client.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\n` +
          `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      );
      const calls = [await upstream.request(0), await upstream.request(1)];
      client.destroy();
      for (const call of calls) await call.closed;
      await eventually(async () => (await gauge('aegis_requests_in_flight')) === 0);
      expect(await gauge('aegis_streams_open')).toBe(0);
    });

    it('also when it only says that it will send no more', async () => {
      upstream.script({ refuse: 'hang' });
      const client = open(true);
      const call = await upstream.request();
      client.end();
      await call.closed;
      client.destroy();
    });
  });

  it('a slow client slows the upstream and fills no memory', async () => {
    const piece = chunkEvent({ content: 'x'.repeat(16_384) });
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: function* () {
        yield chunkEvent({ role: 'assistant', content: '' });
        for (;;) yield piece;
      },
    });
    const client = open(true);
    const call = await upstream.request();
    await once(client, 'data');
    client.pause();
    let sent = -1;
    await eventually(async () => {
      const before = call.bytesSent;
      await new Promise((resolve) => setTimeout(resolve, 300));
      sent = call.bytesSent;
      return sent === before;
    });
    // What the kernel's socket buffers hold on both sides, and no more.
    expect(sent).toBeLessThan(24 * MEBIBYTE);
    client.resume();
    await eventually(() => call.bytesSent > sent + 8 * MEBIBYTE);
    client.destroy();
    await call.closed;
  });

  describe('an answer that breaks off after its first content', () => {
    it.each([
      ['ends without its end', brokenStreamAnswer(['one ', 'two'], 'complete'), 'upstream_invalid_response'],
      ['is cut', brokenStreamAnswer(['one ', 'two'], 'cut'), 'upstream_error'],
      ['is reset', brokenStreamAnswer(['one ', 'two'], 'reset'), 'upstream_error'],
      ['stalls', brokenStreamAnswer(['one ', 'two'], 'stall'), 'upstream_timeout'],
      [
        'turns into an error',
        {
          headers: { 'content-type': 'text/event-stream' },
          body: [
            chunkEvent({ role: 'assistant', content: 'one ' }),
            'data: {"error":{"message":"boom at host 10.1.2.3"}}\n\n',
          ],
        },
        'upstream_error',
      ],
      [
        'turns into nonsense',
        {
          headers: { 'content-type': 'text/event-stream' },
          body: [chunkEvent({ role: 'assistant', content: 'one ' }), 'data: {"choices": [\n\n'],
        },
        'upstream_invalid_response',
      ],
    ])('%s: one error event, no [DONE], no clean end', async (_name, answer, code) => {
      upstream.script(answer);
      const stream = await gateway
        .openai()
        .chat.completions.create({ model: 'alias', stream: true, messages: [{ role: 'user', content: 'hi' }] });
      let text = '';
      const reading = (async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      })();
      const error = await reading.catch((problem: unknown) => problem);
      expect(error).toBeInstanceOf(APIError);
      expect(error).toMatchObject({ code });
      expect(JSON.stringify((error as APIError).error)).not.toContain('10.1.2.3');
      expect(text).toContain('one ');

      const client = open(true);
      let bytes = '';
      client.on('data', (piece) => {
        bytes += piece;
      });
      await once(client, 'close');
      expect(bytes.match(/data: \{"error"/g)).toHaveLength(1);
      expect(bytes).not.toContain('[DONE]');
      expect(bytes).not.toMatch(/\r\n0\r\n\r\n$/);
    });
  });

  it('before its first content a broken answer is a plain error with a status', async () => {
    upstream.script(brokenStreamAnswer([], 'cut'));
    const answer = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
      body: body(true),
    });
    expect(answer.statusCode).toBe(502);
    expect(answer.headers['content-type']).toContain('application/json');
    await answer.body.dump();
  });

  it('is not disturbed by what else comes over its connection: garbage is refused when it is over, and ends it', async () => {
    upstream.script({ ...streamAnswer(Array.from({ length: 40 }, () => 'word ')), pieceDelayMs: 20 });
    const client = open(true);
    let bytes = '';
    client.on('data', (piece) => {
      bytes += piece;
    });
    await once(client, 'data');
    client.write('\x01\x02 garbage\r\n\r\n');
    await once(client, 'close');
    expect(bytes.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
    expect(bytes.split('HTTP/1.1 400')[0]).toMatch(/data: \[DONE\]\n\n\r\n0\r\n\r\n$/);
  });

  it('keeps the connection for the next request after a whole answer', async () => {
    upstream.script(streamAnswer(['one']), completionAnswer('two'));
    const client = open(true);
    let bytes = '';
    client.on('data', (piece) => {
      bytes += piece;
    });
    await eventually(() => bytes.includes('[DONE]') && bytes.endsWith('0\r\n\r\n'));
    const text = body(false);
    client.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    await eventually(() => bytes.includes('"two"'));
    client.destroy();
  });
});
