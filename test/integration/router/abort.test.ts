import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Subscription } from 'rxjs';
import type { StreamAnswer } from '../../../src/domain/chat-answer.js';
import {
  makeContext,
  makeProvider,
  makeRequest,
  makeRoute,
  makeSnapshot,
  makeTarget,
} from '../../support/routing-fixtures.js';
import {
  brokenStreamAnswer,
  chunkEvent,
  completionAnswer,
  errorAnswer,
  type ScriptableUpstream,
  type ScriptedAnswer,
} from '../../support/scriptable-upstream.js';
import { completionOf, errorOf, eventually, RouterHarness, streamOf } from './router-harness.js';

let harness: RouterHarness;
let upstream: ScriptableUpstream;
let other: ScriptableUpstream;

beforeEach(async () => {
  harness = new RouterHarness();
  upstream = await harness.startUpstream();
  other = await harness.startUpstream();
  other.script(completionAnswer('never'));
});
afterEach(() => harness.close());

/** So many clients may leave one after the other until one of them is seen to be gone in time. */
const CLIENTS = 5;

const HANGING: [string, ScriptedAnswer][] = [
  ['waits for headers', { refuse: 'hang' }],
  ['waits for the first event', { headers: { 'content-type': 'text/event-stream' }, ending: 'stall' }],
  ['reads an error', { status: 500, body: 'half an', ending: 'stall' }],
];

describe('a client that leaves', () => {
  describe.each([false, true])('(stream: %s)', (stream) => {
    it.each(HANGING)(
      'while the gateway %s closes the upstream connection, and nothing else is tried',
      async (_name, answer) => {
        upstream.script(answer);
        const call = harness.call([harness.targetOf(upstream), harness.targetOf(other)], { stream });
        const request = await upstream.request();
        call.context.leave();
        expect(await errorOf(call)).toMatchObject({ code: 'client_closed_request', status: 499 });
        await request.closed;
        expect(other.requests).toHaveLength(0);
        expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'cancelled' }]);
      },
    );
  });

  it('in the middle of a JSON answer closes the upstream connection', async () => {
    upstream.script({ body: '{"id":', ending: 'stall' });
    const call = harness.call([harness.targetOf(upstream)]);
    const request = await upstream.request();
    await eventually(() => request.bytesSent > 0);
    call.context.leave();
    expect((await errorOf(call)).status).toBe(499);
    await request.closed;
  });

  it('in the middle of a stream closes the upstream connection', async () => {
    upstream.script(brokenStreamAnswer(['hello'], 'stall'));
    const call = harness.call([harness.targetOf(upstream), harness.targetOf(other)], { stream: true });
    const stream = await streamOf(call);
    const ended = new Promise((resolve) => stream.chunks.subscribe({ error: resolve }));
    call.context.leave();
    expect(await ended).toMatchObject({ code: 'client_closed_request' });
    await (await upstream.request()).closed;
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'cancelled' }]);
  });

  it('before anybody reads the stream closes the upstream connection', async () => {
    upstream.script(brokenStreamAnswer(['hello'], 'stall'));
    const call = harness.call([harness.targetOf(upstream)], { stream: true });
    await streamOf(call);
    call.context.leave();
    await (await upstream.request()).closed;
  });

  it('while the stream is held back closes the upstream connection', async () => {
    upstream.script(brokenStreamAnswer(['hello'], 'stall'));
    const call = harness.call([harness.targetOf(upstream)], { stream: true });
    const stream = await streamOf(call);
    stream.chunks.subscribe({ error: () => undefined });
    stream.flow.pause();
    call.context.leave();
    await (await upstream.request()).closed;
  });

  it('during a TLS handshake closes the upstream connection', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const connected = once(silent, 'connection') as Promise<[Socket]>;
    const { port } = silent.address() as AddressInfo;
    const target = makeTarget(
      makeProvider({ baseUrl: `https://127.0.0.1:${port}/v1`, timeouts: { connectMs: 3_600_000 } }),
    );
    const call = harness.call([target]);
    const [socket] = await connected;
    const closed = once(
      socket.resume().on('error', () => undefined),
      'close',
    );
    call.context.leave();
    expect((await errorOf(call)).status).toBe(499);
    await closed;
    silent.close();
  });

  it('during a pause between two tries is the end of it', async () => {
    upstream.script(errorAnswer(429, 'wait', { 'retry-after': '8' }));
    const call = harness.call([harness.targetOf(upstream)]);
    await eventually(() => harness.attempts.length === 1);
    call.context.leave();
    expect((await errorOf(call)).status).toBe(499);
    expect(upstream.requests).toHaveLength(1);
  });

  it('while it waits for a place is the end of it, and the place goes to the next', async () => {
    upstream.script({ ...completionAnswer('hello'), delayMs: 300 });
    const narrow = { ...makeProvider({ name: 'p0', baseUrl: `${upstream.url}/v1` }), maxConcurrent: 1, maxQueued: 2 };
    const routing = { queueTimeoutMs: 10_000 };
    const first = harness.call([makeTarget(narrow)], { routing });
    await upstream.request();
    const leaving = harness.call([makeTarget(narrow)], { routing });
    const staying = harness.call([makeTarget(narrow)], { routing });
    leaving.context.leave();
    expect(await errorOf(leaving)).toMatchObject({ code: 'client_closed_request', status: 499 });
    await first.answer;
    await staying.answer;
    expect(upstream.requests).toHaveLength(2);
  });

  it('while the upstream does not take the request in closes the upstream connection', async () => {
    const unread = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(unread, 'listening');
    const connected = once(unread, 'connection') as Promise<[Socket]>;
    const { port } = unread.address() as AddressInfo;
    const target = makeTarget(makeProvider({ baseUrl: `http://127.0.0.1:${port}/v1` }));
    const request = makeRequest({ messages: [{ role: 'user', content: 'x'.repeat(32 * 1024 * 1024) }] });
    const call = harness.call([target], { request });
    const [socket] = await connected;
    call.context.leave();
    expect((await errorOf(call)).status).toBe(499);
    const closed = once(
      socket.on('error', () => undefined),
      'close',
    );
    socket.resume();
    await closed;
    unread.close();
  });

  it.each<[string, boolean, ScriptedAnswer]>([
    ['before the headers', false, { refuse: 'hang' }],
    ['in the middle of a JSON answer', false, { body: '{"id":', ending: 'stall' }],
    ['in the middle of a stream', true, brokenStreamAnswer(['hello'], 'stall')],
    [
      'in the middle of a stream that floods it',
      true,
      {
        headers: { 'content-type': 'text/event-stream' },
        body: function* () {
          for (;;) yield chunkEvent({ content: 'x'.repeat(16 * 1024) });
        },
      },
    ],
  ])('%s is gone from the upstream within 250 ms', async (_name, stream, answer) => {
    upstream.script(answer);
    const tookMs: number[] = [];
    // A machine that is busy with other things only adds to what it takes: one that is not shows it in a few clients.
    for (let client = 0; client < CLIENTS && !tookMs.some((took) => took < 250); client++) {
      const call = harness.call([harness.targetOf(upstream)], { stream });
      const request = await upstream.request(client);
      if (stream) await streamOf(call);
      else await new Promise((resolve) => setTimeout(resolve, 20));
      const leftAtMs = performance.now();
      call.context.leave();
      tookMs.push((await request.closed) - leftAtMs);
    }
    expect(Math.min(...tookMs)).toBeLessThan(250);
  });

  it.each([false, true])(
    'costs its upstream no new connection, and the next client nothing (stream: %s)',
    async (stream) => {
      upstream.script(stream ? brokenStreamAnswer(['hello'], 'stall') : { refuse: 'hang' });
      for (let index = 0; index < 10; index++) {
        const call = harness.call([harness.targetOf(upstream)], { stream });
        const request = await upstream.request(index);
        call.context.leave();
        await request.closed;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(upstream.connections).toBe(10);
      upstream.script(completionAnswer('hello'));
      const { served } = await completionOf(harness.call([harness.targetOf(upstream)]));
      expect(served.attempts).toBe(1);
      expect(upstream.connections).toBe(11);
    },
  );

  it('before the router was asked costs no upstream anything', async () => {
    const context = makeContext(makeSnapshot([makeRoute([harness.targetOf(upstream)])]));
    context.leave();
    const outcome = new Promise((resolve) =>
      harness.router.route(makeRequest(), context).subscribe({ error: resolve }),
    );
    expect(await outcome).toMatchObject({ code: 'client_closed_request' });
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('unsubscribing', () => {
  it('before the answer closes the upstream connection', async () => {
    upstream.script({ refuse: 'hang' });
    const context = makeContext(makeSnapshot([makeRoute([harness.targetOf(upstream)])]));
    const subscription = harness.router.route(makeRequest(), context).subscribe({ error: () => undefined });
    const request = await upstream.request();
    subscription.unsubscribe();
    await request.closed;
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'cancelled' }]);
  });

  it('in the moment of subscribing asks nobody, and gives the place back', async () => {
    const target = makeTarget(makeProvider({ name: 'p0', baseUrl: `${upstream.url}/v1`, maxConcurrent: 1 }));
    const context = makeContext(makeSnapshot([makeRoute([target])]));
    harness.router
      .route(makeRequest(), context)
      .subscribe({ error: () => undefined })
      .unsubscribe();
    upstream.script(completionAnswer('hello'));
    await eventually(() => harness.router.foresee(makeRequest(), context).outcome.kind === 'would_call');
    await completionOf(harness.call([target]));
    expect(upstream.requests).toHaveLength(1);
  });

  it('from the chunks closes the upstream connection', async () => {
    upstream.script(brokenStreamAnswer(['hello'], 'stall'));
    const stream = await streamOf(harness.call([harness.targetOf(upstream)], { stream: true }));
    const subscription = await firstRead(stream);
    subscription.unsubscribe();
    await (await upstream.request()).closed;
    expect(harness.attempts).toEqual([{ provider: 'p0', outcome: 'cancelled' }]);
  });

  it('never happens by itself: nothing is sent before somebody subscribes', async () => {
    const context = makeContext(makeSnapshot([makeRoute([harness.targetOf(upstream)])]));
    harness.router.route(makeRequest(), context);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(upstream.connections).toBe(0);
  });
});

function firstRead(stream: StreamAnswer): Promise<Subscription> {
  return new Promise((resolve) => {
    const subscription: Subscription = stream.chunks.subscribe(() => queueMicrotask(() => resolve(subscription)));
  });
}
