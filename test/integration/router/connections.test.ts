import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeSelfSignedCertificate } from '../../support/certificates.js';
import { makeContext, makeRequest, makeRoute, makeSnapshot } from '../../support/routing-fixtures.js';
import {
  brokenStreamAnswer,
  chunkEvent,
  completionAnswer,
  type ScriptableUpstream,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { completionOf, contentOf, errorOf, eventually, RouterHarness, readAll, streamOf } from './router-harness.js';

let harness: RouterHarness;
let upstream: ScriptableUpstream;

beforeEach(async () => {
  harness = new RouterHarness();
  upstream = await harness.startUpstream();
});
afterEach(() => harness.close());

describe('a slow reader', () => {
  it('slows the upstream down, and loses nothing', async () => {
    const words = 4_000;
    // 64 MiB in all: far more than every buffer between the two ends holds.
    const filler = 'x'.repeat(16 * 1024);
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: function* () {
        for (let index = 0; index < words; index++) yield chunkEvent({ content: `${filler}${index} ` });
        yield chunkEvent({}, 'stop');
        yield 'data: [DONE]\n\n';
      },
    });
    const stream = await streamOf(harness.call([harness.targetOf(upstream)], { stream: true }));
    const request = await upstream.request();
    let bytes = 0;
    let lastText = '';
    let readsAfterPause = 0;
    let isPaused = false;
    const ended = new Promise<unknown>((resolve) => {
      stream.chunks.subscribe({
        next: (texts) => {
          if (isPaused) readsAfterPause++;
          for (const text of texts) bytes += text.length;
          lastText = texts.at(-2) ?? texts.at(-1) ?? lastText;
        },
        error: resolve,
        complete: () => resolve(null),
      });
    });
    await eventually(() => bytes > 1024 * 1024);
    isPaused = true;
    stream.flow.pause();

    const sentThen = await settled(() => request.bytesSent);
    expect(readsAfterPause).toBeLessThanOrEqual(1);
    expect(sentThen - bytes).toBeLessThan(16 * 1024 * 1024);
    isPaused = false;
    stream.flow.resume();
    expect(await ended).toBeNull();
    expect(bytes).toBeGreaterThan(words * filler.length);
    expect(request.bytesSent).toBeGreaterThan(words * filler.length);
  });

  it('is not mistaken for a silent upstream', async () => {
    upstream.script({ ...streamAnswer(['one ', 'two ', 'three']), pieceDelayMs: 20 });
    const call = harness.call([harness.targetOf(upstream, { idleMs: 150 })], { stream: true });
    const stream = await streamOf(call);
    stream.flow.pause();
    const reading = readAll(stream);
    await new Promise((resolve) => setTimeout(resolve, 400));
    stream.flow.resume();
    const { texts, error } = await reading;
    expect(error).toBeNull();
    expect(contentOf(texts)).toBe('one two three');
  });

  it('survives an upstream that resets the connection meanwhile', async () => {
    upstream.script({
      ...brokenStreamAnswer(['hello', 'held', 'back'], 'reset'),
      headers: { 'content-type': 'text/event-stream', connection: 'close' },
      pieceDelayMs: 50,
    });
    const stream = await streamOf(harness.call([harness.targetOf(upstream)], { stream: true }));
    stream.flow.pause();
    const reading = readAll(stream);
    await (await upstream.request()).closed;
    stream.flow.resume();
    expect((await reading).error).toMatchObject({ code: 'upstream_error' });
  });

  it('who never comes holds back no more than a little', async () => {
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: function* () {
        for (;;) yield chunkEvent({ content: 'x'.repeat(16 * 1024) });
      },
    });
    const call = harness.call([harness.targetOf(upstream)], { stream: true });
    await streamOf(call);
    const request = await upstream.request();
    expect(await settled(() => request.bytesSent)).toBeLessThan(16 * 1024 * 1024);
    call.context.leave();
    await request.closed;
  });
});

/** The value once it has stopped changing. */
async function settled(value: () => number): Promise<number> {
  for (;;) {
    const before = value();
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (value() === before && before > 0) return before;
  }
}

describe('interim responses', () => {
  it.each([[[103]], [[100]], [[102, 103]]])('%j are ignored', async (interim) => {
    upstream.script({ ...completionAnswer('hello'), interim });
    const answer = await completionOf(harness.call([harness.targetOf(upstream)]));
    expect(answer.completion.choices[0]?.message.content).toBe('hello');
    expect(answer.served.attempts).toBe(1);
  });
});

describe('a redirect', () => {
  it('is never followed, so that prompt and credential stay where they were sent', async () => {
    const elsewhere = await harness.startUpstream();
    upstream.script({ status: 307, headers: { location: `${elsewhere.url}/v1/chat/completions` } });
    const call = harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } });
    expect(await errorOf(call)).toMatchObject({ code: 'upstream_invalid_response', status: 502 });
    expect(elsewhere.connections).toBe(0);
  });
});

describe('an answer that is too large', () => {
  it('is cut off at the limit', async () => {
    upstream.script({
      headers: { 'content-type': 'application/json' },
      body: function* () {
        yield '{"a":"';
        for (;;) yield 'x'.repeat(64 * 1024);
      },
    });
    const call = harness.call([harness.targetOf(upstream)], {
      routing: { maxAnswerBytes: 1024 * 1024, maxAttempts: 1 },
    });
    expect(await errorOf(call)).toMatchObject({ code: 'upstream_invalid_response' });
    await (await upstream.request()).closed;
  });

  it('is cut off where one event passes the limit', async () => {
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: function* () {
        for (;;) yield 'data: '.padEnd(64 * 1024, 'x');
      },
    });
    const routing = { maxEventBytes: 1024 * 1024, maxAttempts: 1 };
    const call = harness.call([harness.targetOf(upstream)], { stream: true, routing });
    expect(await errorOf(call)).toMatchObject({ code: 'upstream_invalid_response' });
    await (await upstream.request()).closed;
  });

  it('is cut off where events never bring any content', async () => {
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: function* () {
        for (;;) yield chunkEvent({ role: 'assistant', content: '' });
      },
    });
    const routing = { maxEventBytes: 1024 * 1024, maxAttempts: 1 };
    const call = harness.call([harness.targetOf(upstream)], { stream: true, routing });
    expect(await errorOf(call)).toMatchObject({ code: 'upstream_invalid_response' });
    await (await upstream.request()).closed;
  });
});

/** Until the connection that served last can serve again. */
function idle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

describe('a connection that the upstream closes between two requests', () => {
  it('costs no request, however short the upstream keeps it', async () => {
    for (let index = 0; index < 300; index++) {
      upstream.script({ ...completionAnswer('hello'), closeIdleAfterMs: index % 6 });
      const answer = await completionOf(harness.call([harness.targetOf(upstream)]));
      expect(answer.served.attempts).toBe(1);
    }
    expect(harness.attempts.every(({ outcome }) => outcome === 'success')).toBe(true);
  });

  it('is replaced once where it breaks just as it is used again', async () => {
    upstream.script(completionAnswer('one'), { refuse: 'reset' }, completionAnswer('two'));
    await completionOf(harness.call([harness.targetOf(upstream)]));
    await idle();
    const answer = await completionOf(harness.call([harness.targetOf(upstream)]));
    expect(answer.completion.choices[0]?.message.content).toBe('two');
    expect(answer.served.attempts).toBe(1);
    expect(upstream.requests).toHaveLength(3);
    expect(upstream.requests[2]?.body).toEqual(upstream.requests[1]?.body);
  });

  it('is replaced once only', async () => {
    upstream.script(completionAnswer('one'), { refuse: 'reset' });
    await completionOf(harness.call([harness.targetOf(upstream)]));
    await idle();
    const call = harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } });
    expect((await errorOf(call)).code).toBe('upstream_error');
    expect(upstream.requests).toHaveLength(3);
  });

  it('is a failure where it was new', async () => {
    upstream.script({ refuse: 'reset' });
    const call = harness.call([harness.targetOf(upstream)], { routing: { maxAttempts: 1 } });
    expect((await errorOf(call)).code).toBe('upstream_error');
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('what an upstream is sent', () => {
  it('asks for an answer that is not compressed', async () => {
    upstream.script(completionAnswer('hello'));
    await completionOf(harness.call([harness.targetOf(upstream)], { request: makeRequest() }));
    const request = await upstream.request();
    expect(request.headers['accept-encoding']).toBe('identity');
    expect(request.path).toBe('/v1/chat/completions');
    expect(request.json()).toEqual({ ...makeRequest().chat, model: 'model-1' });
  });

  it('is made anew for each target', async () => {
    const second = await harness.startUpstream();
    upstream.script({ status: 529, body: '' });
    second.script(completionAnswer('hello'));
    const targets = [
      { ...harness.targetOf(upstream), model: 'model-a' },
      { ...harness.targetOf(second), model: 'model-b' },
    ];
    await completionOf(harness.call(targets));
    expect((await upstream.request()).json()).toMatchObject({ model: 'model-a' });
    expect((await second.request()).json()).toMatchObject({ model: 'model-b' });
  });
});

describe('a server that cannot prove who it is', () => {
  async function outcomeAt(server: Server): Promise<{ requests: number }> {
    let requests = 0;
    server.on('request', (_request, response) => {
      requests++;
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const target = harness.targetOf(upstream);
    const secure = { ...target, provider: { ...target.provider, baseUrl: `https://localhost:${port}/v1` } };
    const error = await errorOf(harness.call([secure], { routing: { maxAttempts: 1 } }));
    expect(error).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'connect' }]);
    server.close();
    await once(server, 'close');
    return { requests };
  }

  it('is sent nothing where its certificate vouches for itself', async () => {
    expect(await outcomeAt(createSecureServer(makeSelfSignedCertificate()))).toEqual({ requests: 0 });
  });

  it('is sent nothing where it speaks no TLS', async () => {
    expect(await outcomeAt(createServer())).toEqual({ requests: 0 });
  });
});

describe('a provider with a name', () => {
  it('is found by it', async () => {
    upstream.script(completionAnswer('hello'));
    const target = harness.targetOf(upstream);
    const named = { ...target, provider: { ...target.provider, baseUrl: `http://localhost:${upstream.port}/v1` } };
    expect((await completionOf(harness.call([named]))).served.attempts).toBe(1);
  });
});

describe('a reload', () => {
  it('closes the connections to providers that are gone, and only those', async () => {
    const other = await harness.startUpstream();
    for (const each of [upstream, other]) each.script(completionAnswer('hello'));
    await completionOf(harness.call([harness.targetOf(upstream)]));
    const snapshot = makeSnapshot([makeRoute([harness.targetOf(other)])], {}, { loadedAtMs: 1 });
    const first = await upstream.request();
    await new Promise((resolve, reject) =>
      harness.router.route(makeRequest(), makeContext(snapshot)).subscribe({ next: resolve, error: reject }),
    );
    await first.closed;
  });
});

describe('what the record of a request learns', () => {
  it('is who served it, the count, and the times', async () => {
    upstream.script({ ...streamAnswer(['hello']), delayMs: 30 });
    const call = harness.call([harness.targetOf(upstream)], { stream: true });
    const stream = await streamOf(call);
    expect(call.context.served).toEqual({ provider: 'p0', model: 'model-1', attempts: 1 });
    expect(call.context.firstContentMs).toBeGreaterThan(0);
    await readAll(stream);
    expect(stream.usage()).toMatchObject({ promptTokens: 9, completionTokens: 3 });
    expect(call.context.usage).toEqual(stream.usage());
    expect(call.context.upstreamMs).toBeGreaterThan(0);
  });

  it('is the count of a JSON answer too', async () => {
    upstream.script(completionAnswer('hello'));
    const call = harness.call([harness.targetOf(upstream)]);
    await call.answer;
    expect(call.context.usage).toMatchObject({ totalTokens: 12 });
  });
});
