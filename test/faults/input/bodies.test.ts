import { request } from 'undici';
import type { GatewayProcess } from '../../support/gateway-process.js';
import {
  completionAnswer,
  jsonAnswer,
  type ScriptableUpstream,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import {
  eventually,
  expectError,
  type FaultGateway,
  FaultSite,
  MODEL,
  type Reply,
  target,
} from '../support/fault-site.js';
import { residentMebibytes } from '../support/memory.js';
import { note } from '../support/notes.js';
import { streamOf } from '../support/provider-answers.js';
import { codeOf, dial, type Exchange, exchange, readAll, requestText } from '../support/wire.js';

const CHAT = 'POST /v1/chat/completions HTTP/1.1';
const MEBIBYTE = 1024 * 1024;
/** What may lie in buffers on the way when the gateway stops reading. */
const ON_THE_WAY_BYTES = 24 * MEBIBYTE;
const AT_ONCE = 100;
/** Generous: on a quiet machine it is a few milliseconds. */
const CANARY_MS = 2_000;
const site = new FaultSite();

interface Scene {
  readonly upstream: ScriptableUpstream;
  readonly gateway: FaultGateway;
}

async function setUp(): Promise<Scene> {
  const upstream = (await site.upstream()).script(completionAnswer('fine'));
  return { upstream, gateway: await site.gateway([target(upstream)]) };
}

/** A gateway in a process of its own, so that the test's work is none of its. */
async function startAlone(): Promise<Scene & { readonly child: GatewayProcess }> {
  const { upstream, gateway } = await setUp();
  const { alone, child } = await gateway.spawn();
  site.onClose(async () => {
    child.child.kill('SIGKILL');
    await child.exited;
  });
  return { upstream, gateway: alone, child };
}

function headersOf({ gateway }: FaultGateway, ...more: readonly string[]): string[] {
  return ['host: gateway', `authorization: Bearer ${gateway.key}`, 'content-type: application/json', ...more];
}

/** A body as it is, whatever it is. */
async function post({ gateway }: FaultGateway, body: string | Buffer): Promise<Reply> {
  const answer = await request(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body,
  });
  const text = await answer.body.text();
  const json = () => JSON.parse(text);
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text,
    clean: true,
    elapsedMs: 0,
    json,
    events: [],
    content: '',
  };
}

/** Small requests one after the other, for as long as something else goes on. The slowest of them, in milliseconds. */
async function canaryDuring(gateway: FaultGateway, action: Promise<unknown>): Promise<number> {
  let isOver = false;
  const ended = action.finally(() => {
    isOver = true;
  });
  let slowestMs = 0;
  do {
    const { status, elapsedMs } = await gateway.ask();
    expect(status).toBe(200);
    slowestMs = Math.max(slowestMs, elapsedMs);
  } while (!isOver);
  await ended;
  return slowestMs;
}

describe('an oversized body', () => {
  it('row 63: announced: 413 before a byte of it, and the connection closes', async () => {
    const { gateway, upstream } = await setUp();
    const { answers, closed } = await exchange(
      gateway.gateway.url,
      requestText(CHAT, headersOf(gateway, `content-length: ${64 * MEBIBYTE}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual([413]);
    expect(answers[0] && codeOf(answers[0])).toBe('request_too_large');
    expect(answers[0]?.headers.get('connection')).toBe('close');
    expect(closed).toBe(true);
    expect(upstream.requests).toHaveLength(0);
  });

  async function sendForEver({ gateway }: FaultGateway): Promise<Exchange & { readonly sentBytes: number }> {
    const socket = dial(gateway.url);
    socket.write(
      `${CHAT}\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\ncontent-type: application/json\r\n` +
        'transfer-encoding: chunked\r\n\r\n',
    );
    const piece = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 'a'), Buffer.from('\r\n')]);
    const send = (): void => {
      while (!socket.destroyed && socket.writable && socket.bytesWritten < 256 * MEBIBYTE && socket.write(piece));
    };
    socket.on('drain', send);
    send();
    const result = await readAll(socket);
    return { ...result, sentBytes: socket.bytesWritten };
  }

  it('row 63: in chunks without an end: 413 as soon as it is too large, and the connection closes', async () => {
    const { gateway, upstream } = await setUp();
    const { answers, closed, sentBytes } = await sendForEver(gateway);
    expect(answers.map(({ status }) => status)).toEqual([413]);
    expect(closed).toBe(true);
    // The answer is out at 20 MiB; what comes after is dropped for a moment, so that the answer arrives.
    expect(sentBytes).toBeLessThan(20 * MEBIBYTE + 64 * MEBIBYTE + ON_THE_WAY_BYTES);
    expect(upstream.requests).toHaveLength(0);
  });

  it(`row 63: on ${AT_ONCE} connections at once: each is refused, memory is bounded, others are served`, async () => {
    const { gateway, child } = await startAlone();
    await gateway.ask();
    const before = residentMebibytes(child);
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, residentMebibytes(child));
    }, 50);
    const sending = Promise.all(Array.from({ length: AT_ONCE }, () => sendForEver(gateway)));
    const slowestMs = await canaryDuring(gateway, sending).finally(() => clearInterval(watch));
    const statuses = (await sending).flatMap(({ answers }) => answers.map(({ status }) => status));
    // Past 512 MiB of bodies on their way the others are told to come back.
    expect(statuses.filter((status) => status !== 413 && status !== 503)).toEqual([]);
    expect(statuses).toHaveLength(AT_ONCE);
    note(`+${Math.round(most - before)} MiB, slowest canary ${Math.round(slowestMs)} ms`);
    expect(most - before).toBeLessThan(1_200);
  }, 120_000);
});

describe('deep JSON', () => {
  const nest = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth);
  const PLACES: readonly [string, (deep: string) => string][] = [
    ['messages', (deep) => `{"model":"${MODEL}","messages":${deep}}`],
    ['content', (deep) => `{"model":"${MODEL}","messages":[{"role":"user","content":${deep}}]}`],
    [
      'tools.parameters',
      (deep) =>
        `{"model":"${MODEL}","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":${deep}}}]}`,
    ],
    ['metadata', (deep) => `{"model":"${MODEL}","messages":[{"role":"user","content":"hi"}],"metadata":${deep}}`],
    ['a field nobody knows', (deep) => `{"model":"${MODEL}","messages":[{"role":"user","content":"hi"}],"x":${deep}}`],
  ];

  it.each(PLACES)('row 64: in %s, a thousand to a million levels: 400', async (_name, build) => {
    const { gateway, upstream } = await setUp();
    for (const depth of [1_000, 10_000, 100_000, 1_000_000]) {
      expectError(await post(gateway, build(nest(depth, '[', ']'))), 400, 'invalid_request');
      expectError(
        await post(gateway, build(nest(depth, '{"a":', '}').replace('{"a":}', '{}'))),
        400,
        'invalid_request',
      );
    }
    expect(upstream.requests).toHaveLength(0);
    expect((await gateway.ask()).status).toBe(200);
  });

  it('row 64: up to the limit it passes, as it was written', async () => {
    const { gateway, upstream } = await setUp();
    const body = PLACES[4]?.[1](nest(63, '[', ']')) ?? '';
    expect((await post(gateway, body)).status).toBe(200);
    expect(upstream.requests[0]?.body.toString()).toBe(body.replace(`"${MODEL}"`, '"m0"'));
  });
});

describe('huge arrays', () => {
  const message = '{"role":"user","content":"hi"}';
  const list = (item: string, count: number) => `[${Array(count).fill(item).join(',')}]`;
  const tool = '{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}';
  const BODIES: readonly [string, string, number][] = [
    ['100,000 messages', `{"model":"${MODEL}","messages":${list(message, 100_000)}}`, 400],
    ['100,000 tools', `{"model":"${MODEL}","messages":[${message}],"tools":${list(tool, 100_000)}}`, 400],
    ['a model of a million characters', `{"model":"${'m'.repeat(1_000_000)}","messages":[${message}]}`, 400],
    ['a million stop words', `{"model":"${MODEL}","messages":[${message}],"stop":${list('"a"', 1_000_000)}}`, 400],
    [
      '10,000 tools, which are allowed',
      `{"model":"${MODEL}","messages":[${message}],"tools":${list(tool, 10_000)}}`,
      200,
    ],
  ];

  it('row 65: each is answered, and small requests meanwhile are not held up', async () => {
    const { gateway } = await startAlone();
    await gateway.ask();
    const sending = (async () => {
      for (const [name, body, status] of BODIES) {
        for (let round = 0; round < 3; round += 1) {
          expect({ name, status: (await post(gateway, body)).status }).toEqual({ name, status });
        }
      }
    })();
    const slowestMs = await canaryDuring(gateway, sending);
    note(`slowest canary ${Math.round(slowestMs)} ms`);
    expect(slowestMs).toBeLessThan(CANARY_MS);
  }, 120_000);
});

describe('text that is no text', () => {
  const wrap = (bytes: Buffer) =>
    Buffer.concat([
      Buffer.from(`{"model":"${MODEL}","messages":[{"role":"user","content":"`),
      bytes,
      Buffer.from('"}]}'),
    ]);

  it.each([
    ['a byte that begins nothing', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate as bytes', [0xed, 0xa0, 0x80]],
    ['a sequence cut short', [0xe2, 0x82]],
    ['past the last character', [0xf4, 0x90, 0x80, 0x80]],
    ['a raw zero byte', [0x00]],
    ['a raw line feed', [0x0a]],
  ])('row 66: %s: 400, and nobody is asked', async (_name, bytes) => {
    const { gateway, upstream } = await setUp();
    expectError(await post(gateway, wrap(Buffer.from(bytes))), 400, 'invalid_json');
    expect(upstream.requests).toHaveLength(0);
  });

  it('row 66: a byte order mark before the body: 400', async () => {
    const { gateway } = await setUp();
    const body = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), wrap(Buffer.from('hi'))]);
    expectError(await post(gateway, body), 400, 'invalid_json');
  });

  it('row 66: lone surrogates and escaped zeros pass as they were written, and the ledger takes the request', async () => {
    const { gateway, upstream } = await setUp();
    const shippedBefore = await gateway.metric('aegis_ledger_shipped_total');
    const odd = ['\\ud800', '\\udfff\\ud800', '\\u0000', '\\ufeff'];
    for (const text of odd) {
      const body =
        `{"model":"${MODEL}","user":"${text}","metadata":{"k${text}":"${text}"},` +
        `"messages":[{"role":"user","name":"${text}","content":"${text}"}]}`;
      expect((await post(gateway, body)).status).toBe(200);
      expect(upstream.requests.at(-1)?.body.toString()).toBe(body.replace(`"${MODEL}"`, '"m0"'));
      expectError(await post(gateway, body.replace(`"${MODEL}"`, `"${text}"`)), 404, 'model_not_found');
    }
    await gateway.idle();
    await eventually(async () => (await gateway.metric('aegis_ledger_shipped_total')) - shippedBefore >= odd.length);
    expect(await gateway.metric('aegis_journal_failures_total')).toBe(0);
  });

  it('row 66: the same from a provider reaches the client, streamed or not', async () => {
    const { gateway, upstream } = await setUp();
    upstream.script({
      ...completionAnswer('x'),
      body: String(completionAnswer('SPOT').body).replace('SPOT', 'a\\ud800b\\u0000'),
    });
    expect((await gateway.ask()).json()).toMatchObject({ choices: [{ message: { content: 'a\ud800b\u0000' } }] });
    upstream.script(streamAnswer(['a\ud800', 'b\u0000']));
    expect((await gateway.stream()).content).toBe('a\ud800b\u0000');
  });
});

describe('a key twice in an object', () => {
  const rest = '"messages":[{"role":"user","content":"hi"}]';
  it.each([
    ['the model', `{"model":"${MODEL}","model":"denied",${rest}}`],
    ['the model, once in escapes', `{"model":"${MODEL}","m\\u006fdel":"denied",${rest}}`],
    ['the messages', `{"model":"${MODEL}",${rest},${rest}}`],
    ['deep inside', `{"model":"${MODEL}","messages":[{"role":"user","content":"hi","content":"ho"}]}`],
    ['in what nobody reads', `{"model":"${MODEL}",${rest},"x":{"a":1,"\\u0061":2}}`],
    ['__proto__', `{"model":"${MODEL}",${rest},"__proto__":1,"__proto__":2}`],
  ])('row 67: %s: 400, and nobody is asked', async (_name, body) => {
    const { gateway, upstream } = await setUp();
    expectError(await post(gateway, body), 400, 'invalid_json');
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('numbers', () => {
  const ARGUMENTS = '{"id":9007199254740993,"ratio":1.0,"big":1e400,"small":-0.0}';

  it("row 68: of a request reach the provider digit by digit, those in a tool's arguments too", async () => {
    const { gateway, upstream } = await setUp();
    const call = JSON.stringify({ name: 'f', arguments: ARGUMENTS });
    const body =
      `{"model":"${MODEL}","seed":9007199254740993,"temperature":1.0,"x":[1E5,-0.0,1e400],"messages":[` +
      `{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":${call}}]},` +
      `{"role":"tool","tool_call_id":"c","content":"ok"}]}`;
    expect((await post(gateway, body)).status).toBe(200);
    expect(upstream.requests[0]?.body.toString()).toBe(body.replace(`"${MODEL}"`, '"m0"'));
  });

  it("row 68: in a tool's arguments of an answer reach the client digit by digit, streamed or not", async () => {
    const { gateway, upstream } = await setUp();
    const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: ARGUMENTS } }];
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const message = { role: 'assistant', content: null, tool_calls: calls };
    const head = { id: 'i', created: 1, model: 'm0' };
    upstream.script(
      jsonAnswer(200, {
        ...head,
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'tool_calls', logprobs: null }],
        usage,
      }),
    );
    expect((await gateway.ask()).json()).toMatchObject({ choices: [{ message: { tool_calls: calls } }] });

    const pieces = ARGUMENTS.match(/.{1,7}/g) ?? [];
    const chunk = (delta: object, finish: string | null = null) =>
      `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
    upstream.script(
      streamOf(
        [],
        chunk({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'f', arguments: '' } }] }),
        ...pieces.map((piece) => chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
        chunk({}, 'tool_calls'),
        'data: [DONE]\n\n',
      ),
    );
    const { events } = await gateway.stream();
    const streamed = events
      .filter((event) => event !== '[DONE]')
      .flatMap((event) => (JSON.parse(event) as { choices: { delta: { tool_calls?: typeof calls } }[] }).choices)
      .map(({ delta }) => delta.tool_calls?.[0]?.function.arguments ?? '');
    expect(streamed.join('')).toBe(ARGUMENTS);
  });
});
