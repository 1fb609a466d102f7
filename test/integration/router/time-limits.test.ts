import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { CircuitBreakerConfig } from '../../../src/config/schema/gateway.config.js';
import type { Target } from '../../../src/domain/target.js';
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
  type ScriptableUpstream,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { contentOf, errorOf, RouterHarness, readAll, streamOf } from './router-harness.js';

const ONCE = { routing: { maxAttempts: 1 } };
const TOO_LATE = { code: 'upstream_timeout', status: 504 };

let harness: RouterHarness;
let upstream: ScriptableUpstream;

beforeEach(async () => {
  harness = new RouterHarness();
  upstream = await harness.startUpstream();
});
afterEach(() => harness.close());

describe('an upstream that takes its time', () => {
  it('over the rest of a JSON answer is cut off at the idle limit', async () => {
    upstream.script({ body: '{"id":', ending: 'stall' });
    const error = await errorOf(harness.call([harness.targetOf(upstream, { idleMs: 150 })], ONCE));
    expect(error).toMatchObject({ ...TOO_LATE, message: expect.stringContaining('in the middle of its answer') });
    await (await upstream.request()).closed;
  });

  it('over the next event of a stream is cut off at the idle limit', async () => {
    upstream.script(brokenStreamAnswer(['hello'], 'stall'));
    const call = harness.call([harness.targetOf(upstream, { idleMs: 150 })], { stream: true });
    const { texts, error } = await readAll(await streamOf(call));
    expect(contentOf(texts)).toBe('hello');
    expect(error).toMatchObject(TOO_LATE);
    await (await upstream.request()).closed;
  });

  it('over the first content is cut off at its limit, though it is never silent', async () => {
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: Array.from({ length: 500 }, () => ': still here\n\n'),
      pieceDelayMs: 20,
    });
    const target = harness.targetOf(upstream, { firstContentMs: 200 });
    const error = await errorOf(harness.call([target], { ...ONCE, stream: true }));
    expect(error).toMatchObject(TOO_LATE);
    await (await upstream.request()).closed;
  });

  it.each([
    [false, completionAnswer('a long answer, a byte at a time')],
    [true, streamAnswer(['a long answer, a byte at a time'])],
  ])('a byte at a time is never idle, and is cut off at the total limit (stream: %s)', async (stream, answer) => {
    upstream.script({ ...answer, sliceBytes: 1, pieceDelayMs: 20 });
    const target = harness.targetOf(upstream, { idleMs: 2_000, totalMs: 300 });
    expect(await errorOf(harness.call([target], { ...ONCE, stream }))).toMatchObject(TOO_LATE);
    await (await upstream.request()).closed;
  });

  it('to take in the request is cut off at the first-byte limit', async () => {
    const unread = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(unread, 'listening');
    const connected = once(unread, 'connection') as Promise<[Socket]>;
    const { port } = unread.address() as AddressInfo;
    const target = makeTarget(makeProvider({ baseUrl: `http://127.0.0.1:${port}/v1`, timeouts: { firstByteMs: 300 } }));
    // Far more than the buffers of both ends hold.
    const request = makeRequest({ messages: [{ role: 'user', content: 'x'.repeat(32 * 1024 * 1024) }] });
    const call = harness.call([target], { ...ONCE, request });
    const [socket] = await connected;
    expect(await errorOf(call)).toMatchObject(TOO_LATE);
    const closed = once(
      socket.on('error', () => undefined),
      'close',
    );
    socket.resume();
    await closed;
    unread.close();
  });
});

describe('the circuit of a target', () => {
  const STRICT = { circuitBreaker: Object.assign(new CircuitBreakerConfig(), { consecutiveFailures: 1 }) };
  const isLeftAlone = (target: Target) => {
    const context = makeContext(makeSnapshot([makeRoute([target])], STRICT));
    return harness.router.foresee(makeRequest(), context).decision.eligible.length === 0;
  };

  it('counts a stream that falls silent after the deadline of its request', async () => {
    const words = Array.from({ length: 12 }, () => 'word ');
    upstream.script({ ...brokenStreamAnswer(words, 'stall'), pieceDelayMs: 100 });
    const target = harness.targetOf(upstream, { idleMs: 500 });
    const call = harness.call([target], { stream: true, routing: { ...STRICT, deadlineMs: 1_000 } });
    expect((await readAll(await streamOf(call))).error).toMatchObject(TOO_LATE);
    expect(isLeftAlone(target)).toBe(true);
  });

  it('counts a stream that takes too long although its reader does not', async () => {
    upstream.script({ ...streamAnswer(Array.from({ length: 500 }, () => 'word ')), pieceDelayMs: 20 });
    const target = harness.targetOf(upstream, { totalMs: 500 });
    const call = harness.call([target], { stream: true, routing: STRICT });
    expect((await readAll(await streamOf(call))).error).toMatchObject(TOO_LATE);
    expect(isLeftAlone(target)).toBe(true);
  });

  it.each([
    ['the target', false, STRICT],
    ['circuit breakers', true, { circuitBreaker: Object.assign(new CircuitBreakerConfig(), { enabled: false }) }],
  ])('closes with the first request after a reload that ends %s', async (_what, isKept, routing) => {
    upstream.script({ refuse: 'reset' });
    const target = harness.targetOf(upstream);
    await errorOf(harness.call([target], { routing: { ...STRICT, maxAttempts: 1 } }));
    const other = harness.targetOf(await harness.startUpstream());
    await harness
      .call(isKept ? [target, other] : [other], { routing: { ...routing, maxAttempts: 1 } })
      .answer.catch(() => undefined);
    expect(harness.circuits.filter(({ target: id }) => id === target.id)).toEqual([
      { target: target.id, state: 'open' },
      { target: target.id, state: 'closed' },
    ]);
  });

  it('counts no stream that takes too long because its reader does', async () => {
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: function* () {
        for (;;) yield chunkEvent({ content: 'x'.repeat(16 * 1024) });
      },
    });
    const target = harness.targetOf(upstream, { totalMs: 300 });
    const stream = await streamOf(harness.call([target], { stream: true, routing: STRICT }));
    stream.flow.pause();
    expect((await readAll(stream)).error).toMatchObject(TOO_LATE);
    expect(isLeftAlone(target)).toBe(false);
  });
});

describe('a stream that never ends', () => {
  it('is cut off at its largest size, in little memory', async () => {
    const event = chunkEvent({ content: 'x'.repeat(64 * 1024) });
    upstream.script({
      headers: { 'content-type': 'text/event-stream' },
      body: function* () {
        for (;;) yield event;
      },
    });
    const maxStreamBytes = 256 * 1024 * 1024;
    const call = harness.call([harness.targetOf(upstream)], { stream: true, routing: { maxStreamBytes } });
    const stream = await streamOf(call);
    const before = process.memoryUsage.rss();
    let most = 0;
    let bytes = 0;
    const error = await new Promise<unknown>((resolve) => {
      stream.chunks.subscribe({
        next: (texts) => {
          for (const text of texts) bytes += text.length;
          most = Math.max(most, process.memoryUsage.rss() - before);
        },
        error: resolve,
        complete: () => resolve(null),
      });
    });
    expect(error).toMatchObject({ code: 'upstream_invalid_response' });
    expect(bytes).toBeGreaterThan(maxStreamBytes * 0.9);
    expect(bytes).toBeLessThanOrEqual(maxStreamBytes);
    expect(most).toBeLessThan(maxStreamBytes / 2);
    await (await upstream.request()).closed;
  }, 30_000);
});
