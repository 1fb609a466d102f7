import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { AegisError } from '../../../src/domain/errors.js';
import type { AttemptOutcome } from '../../../src/domain/observer.js';
import type { UpstreamRequest } from '../../../src/domain/provider-adapter.js';
import type { ScreenedRequest } from '../../../src/domain/screened-request.js';
import type { Target } from '../../../src/domain/target.js';
import { OpenAiAdapter } from '../../../src/router/adapters/openai.adapter.js';
import { VllmAdapter } from '../../../src/router/adapters/vllm.adapter.js';
import { makeProvider, makeRequest, makeRoute, makeTarget } from '../../support/routing-fixtures.js';
import {
  brokenStreamAnswer,
  chunkEvent,
  completionAnswer,
  errorAnswer,
  type ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { completionOf, contentOf, errorOf, RouterHarness, readAll, streamOf } from './router-harness.js';

let harness: RouterHarness;
let first: ScriptableUpstream;
let second: ScriptableUpstream;

beforeEach(async () => {
  harness = new RouterHarness();
  first = await harness.startUpstream();
  second = await harness.startUpstream();
});
afterEach(() => harness.close());

const SHORT = { connectMs: 200, firstByteMs: 200, firstContentMs: 200, idleMs: 200, totalMs: 400 };
const EVENT_STREAM = { 'content-type': 'text/event-stream' };

/** Faults that come before any content, for JSON and streams alike. */
const FAULTS: [string, ScriptedAnswer, AttemptOutcome][] = [
  ['a reset before the headers', { refuse: 'reset' }, 'upstream_fault'],
  ['a connection closed before the headers', { refuse: 'close' }, 'upstream_fault'],
  ['silence instead of headers', { refuse: 'hang' }, 'timeout'],
  ['silence after the headers', { headers: EVENT_STREAM, body: '\n', ending: 'stall' }, 'timeout'],
  ['an endless drip without content', dripAnswer(), 'timeout'],
  ['529', errorAnswer(529), 'upstream_fault'],
  ['503', errorAnswer(503), 'upstream_fault'],
  ['429', errorAnswer(429), 'rate_limited'],
  ['408', errorAnswer(408), 'timeout'],
  ['a refused credential', errorAnswer(401, 'Incorrect API key provided: sk-abc***xyz'), 'credential'],
  ['an HTML page with status 502', { status: 502, body: '<html>Bad Gateway</html>' }, 'upstream_fault'],
  [
    'an HTML page with status 200',
    { headers: { 'content-type': 'text/html' }, body: '<html></html>' },
    'invalid_response',
  ],
  ['an empty answer', {}, 'invalid_response'],
  ['a cut JSON text', { body: '{"a":' }, 'invalid_response'],
  ['something that is not HTTP', { raw: 'SSH-2.0-OpenSSH_9.6\r\n' }, 'invalid_response'],
  ['a redirect', { status: 307, headers: { location: 'http://127.0.0.1:9/' } }, 'invalid_response'],
  ['a compressed answer nobody asked for', { headers: { 'content-encoding': 'gzip' }, body: 'x' }, 'invalid_response'],
];

function dripAnswer(): ScriptedAnswer {
  return { headers: EVENT_STREAM, body: Array.from({ length: 200 }, () => ': still here\n\n'), pieceDelayMs: 50 };
}

describe('before the first content, the next target answers after', () => {
  it.each(FAULTS)('%s, in a JSON answer', async (_name, fault, outcome) => {
    first.script(fault);
    second.script(completionAnswer('from the second'));
    const call = harness.call([harness.targetOf(first, SHORT), harness.targetOf(second)]);
    const answer = await completionOf(call);
    expect(answer.completion.choices[0]?.message.content).toBe('from the second');
    expect(answer.served).toEqual({ provider: 'p1', model: 'model-1', attempts: 2 });
    expect(call.context.served).toEqual(answer.served);
    expect(harness.attempts).toEqual([
      { provider: 'p0', outcome },
      { provider: 'p1', outcome: 'success' },
    ]);
    expect(harness.fallbacks).toEqual([outcome]);
  });

  it.each(FAULTS)('%s, in a stream', async (_name, fault, outcome) => {
    first.script(fault);
    second.script(streamAnswer(['from ', 'the second']));
    const stream = await streamOf(
      harness.call([harness.targetOf(first, SHORT), harness.targetOf(second)], { stream: true }),
    );
    const { texts, error } = await readAll(stream);
    expect(error).toBeNull();
    expect(contentOf(texts)).toBe('from the second');
    expect(texts.filter((text) => text.includes('"role"'))).toHaveLength(1);
    expect(stream.served.attempts).toBe(2);
    expect(harness.attempts.map((attempt) => attempt.outcome)).toEqual([outcome, 'success']);
  });

  it('a port where nobody listens', async () => {
    second.script(completionAnswer('hello'));
    const nobody = makeTarget(makeProvider({ name: 'nobody', baseUrl: `http://127.0.0.1:${await closedPort()}/v1` }));
    await completionOf(harness.call([nobody, harness.targetOf(second)]));
    expect(harness.fallbacks).toEqual(['connect']);
  });

  it('a name that does not exist', async () => {
    second.script(completionAnswer('hello'));
    const nowhere = makeTarget(makeProvider({ name: 'nowhere', baseUrl: 'http://provider.invalid/v1' }));
    await completionOf(harness.call([nowhere, harness.targetOf(second)]));
    expect(harness.fallbacks).toEqual(['connect']);
  });

  it('a TLS handshake that is never answered', async () => {
    const silent = await listen();
    const { port } = silent.address() as AddressInfo;
    second.script(completionAnswer('hello'));
    const target = makeTarget(
      makeProvider({ name: 'silent', baseUrl: `https://127.0.0.1:${port}/v1`, timeouts: { connectMs: 150 } }),
    );
    await completionOf(harness.call([target, harness.targetOf(second)]));
    expect(harness.fallbacks).toEqual(['timeout']);
    silent.close();
  });

  it('a role chunk followed by an error event', async () => {
    first.script({
      headers: EVENT_STREAM,
      body: [chunkEvent({ role: 'assistant', content: '' }), 'data: {"error":{"message":"overloaded","code":529}}\n\n'],
    });
    second.script(streamAnswer(['hello']));
    const stream = await streamOf(harness.call([harness.targetOf(first), harness.targetOf(second)], { stream: true }));
    const { texts } = await readAll(stream);
    expect(texts.filter((text) => text.includes('"role"'))).toHaveLength(1);
    expect(stream.served.provider).toBe('p1');
  });
});

describe('after the first content', () => {
  it.each([
    ['is reset', 'reset'],
    ['is closed in the middle', 'cut'],
    ['ends as if it were whole', 'complete'],
    ['falls silent', 'stall'],
  ] as const)('a stream that %s ends in an error, and no other target is asked', async (_name, ending) => {
    first.script(brokenStreamAnswer(['one ', 'two'], ending));
    second.script(streamAnswer(['never']));
    const call = harness.call([harness.targetOf(first, { idleMs: 200 }), harness.targetOf(second)], { stream: true });
    const { texts, error } = await readAll(await streamOf(call));
    expect(contentOf(texts)).toBe('one two');
    expect(texts.join('')).not.toContain('"stop"');
    expect(error).toBeInstanceOf(AegisError);
    expect((error as AegisError).status).toBe(ending === 'stall' ? 504 : 502);
    expect(second.requests).toHaveLength(0);
    expect(harness.fallbacks).toEqual([]);
    expect(harness.attempts).toHaveLength(1);
    expect(harness.attempts[0]?.outcome).not.toBe('success');
  });

  it('an endless drip is ended by the total limit', async () => {
    const words = Array.from({ length: 500 }, () => chunkEvent({ content: '.' }));
    first.script({ headers: EVENT_STREAM, body: words, pieceDelayMs: 20 });
    const call = harness.call([harness.targetOf(first, { totalMs: 300 })], { stream: true });
    const { error } = await readAll(await streamOf(call));
    expect(error).toMatchObject({ code: 'upstream_timeout', status: 504 });
  });

  it('a stream completes although its upstream lingers', async () => {
    first.script({ ...streamAnswer(['hello']), ending: 'stall' });
    const call = harness.call([harness.targetOf(first)], { stream: true });
    const { texts, error } = await readAll(await streamOf(call));
    expect(error).toBeNull();
    expect(contentOf(texts)).toBe('hello');
    await (await first.request()).closed;
  });

  it('leaves the connection to the next request where the upstream ends properly', async () => {
    first.script(streamAnswer(['hello']));
    for (let index = 0; index < 3; index++) {
      await readAll(await streamOf(harness.call([harness.targetOf(first)], { stream: true })));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(first.connections).toBe(1);
  });
});

describe('a fault of the caller', () => {
  it('is restated at once, with the status and words of the upstream', async () => {
    first.script({
      status: 422,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        error: { message: 'seed must be an integer', type: 'invalid_request_error', param: 'seed', code: 'bad_seed' },
      }),
    });
    const error = await errorOf(harness.call([harness.targetOf(first), harness.targetOf(second)]));
    expect(error.status).toBe(422);
    expect(error.toEnvelope('request-1').error).toMatchObject({
      message: 'seed must be an integer',
      param: 'seed',
      code: 'bad_seed',
    });
    expect(second.requests).toHaveLength(0);
  });

  it.each([false, true])('names no credential and no host of any provider (stream: %s)', async (stream) => {
    const others = { name: 'other', baseUrl: 'https://llm.acme.example/v1', credential: 'quite-another-one' };
    const message = `Refused credential-of-the-gateway at ${first.url} for LLM.acme.example, not quite-another-one.`;
    const body = { type: 'invalid_request_error', code: 'quite-another-one', param: 'llm.acme.example', message };
    first.script(
      stream
        ? {
            headers: EVENT_STREAM,
            body: [chunkEvent({ content: 'Hello' }), `data: ${JSON.stringify({ error: body })}\n\n`],
          }
        : { status: 400, body: JSON.stringify({ error: body }) },
    );
    const call = harness.call([harness.targetOf(first), makeTarget(makeProvider(others))], { stream });
    const error = stream ? (await readAll(await streamOf(call))).error : await errorOf(call);
    expect((error as AegisError).toEnvelope('request-1').error).toEqual({
      message: 'Refused [redacted] at [address] for [address], not [redacted].',
      type: 'invalid_request_error',
      code: null,
      param: null,
      request_id: 'request-1',
    });
  });

  it('never leads to a retry', async () => {
    first.script(errorAnswer(400));
    await errorOf(harness.call([harness.targetOf(first)]));
    expect(first.requests).toHaveLength(1);
  });
});

describe('a lone target', () => {
  it('is tried again until it answers', async () => {
    first.script(errorAnswer(529), errorAnswer(529), completionAnswer('at last'));
    const answer = await completionOf(harness.call([harness.targetOf(first)]));
    expect(answer.served.attempts).toBe(3);
    expect(first.requests).toHaveLength(3);
    expect(harness.fallbacks).toEqual([]);
  });

  it('is tried no more often than configured', async () => {
    first.script(errorAnswer(500));
    const error = await errorOf(harness.call([harness.targetOf(first)], { routing: { maxAttempts: 3 } }));
    expect(error).toMatchObject({ code: 'upstream_error', status: 502 });
    expect(first.requests).toHaveLength(3);
  });

  it('is given the pause it asks for', async () => {
    first.script(errorAnswer(429, 'slow down', { 'retry-after-ms': '300' }), completionAnswer('hello'));
    await completionOf(harness.call([harness.targetOf(first)]));
    const [one, two] = first.requests;
    expect((two?.receivedAtMs ?? 0) - (one?.receivedAtMs ?? 0)).toBeGreaterThanOrEqual(290);
  });

  it('passes a long pause on to the client instead of waiting', async () => {
    first.script(errorAnswer(429, 'slow down', { 'retry-after': '40' }));
    const error = await errorOf(harness.call([harness.targetOf(first)]));
    expect(error).toMatchObject({ code: 'upstream_rate_limited', status: 429, retryAfterMs: 40_000 });
    expect(first.requests).toHaveLength(1);
  });

  it.each([
    ['a refused credential', errorAnswer(401), 1, 'upstream_auth_failed'],
    ['a spent quota', quotaAnswer(), 1, 'upstream_rate_limited'],
    ['an answer that is none', { body: 'nonsense' }, 2, 'upstream_invalid_response'],
  ] as const)('after %s is asked no more than makes sense', async (_name, answer, requests, code) => {
    first.script(answer);
    const error = await errorOf(harness.call([harness.targetOf(first)]));
    expect(error.code).toBe(code);
    expect(first.requests).toHaveLength(requests);
  });
});

function quotaAnswer(): ScriptedAnswer {
  return {
    status: 429,
    body: JSON.stringify({ error: { message: 'quota', type: 'insufficient_quota', code: 'insufficient_quota' } }),
  };
}

describe('when every target fails', () => {
  it('"rate limited" needs all of them, and carries the shortest pause', async () => {
    first.script(errorAnswer(429, 'x', { 'retry-after': '30' }));
    second.script(errorAnswer(429, 'x', { 'retry-after': '20' }));
    // New targets each time: those that were asked for a pause rest.
    const targets = () => [harness.targetOf(first), harness.targetOf(second)];
    expect(await errorOf(harness.call(targets()))).toMatchObject({ status: 429, retryAfterMs: 20_000 });
    first.script(errorAnswer(500));
    expect(await errorOf(harness.call(targets()))).toMatchObject({ status: 502, code: 'upstream_error' });
  });

  it("a conflict is the caller's where the last target says so, and only there", async () => {
    const conflict: ScriptedAnswer = {
      status: 409,
      body: JSON.stringify({
        error: { message: 'The batch is locked.', type: 'conflict_error', param: 'batch', code: 'locked' },
      }),
    };
    const targets = [harness.targetOf(first), harness.targetOf(second)];
    const restated = { message: 'The batch is locked.', type: 'conflict_error', param: 'batch', code: 'locked' };
    first.script(errorAnswer(500));
    second.script(conflict);
    const last = await errorOf(harness.call(targets));
    expect(last.status).toBe(409);
    expect(last.toEnvelope('request-1').error).toMatchObject(restated);

    first.script(conflict);
    second.script(errorAnswer(500));
    expect(await errorOf(harness.call(targets))).toMatchObject({ status: 502, code: 'upstream_error' });
    second.script(errorAnswer(429));
    expect(await errorOf(harness.call(targets))).toMatchObject({ status: 502, code: 'upstream_error' });

    const before = first.requests.length;
    const lone = await errorOf(harness.call(targets.slice(0, 1), { stream: true, routing: { maxAttempts: 3 } }));
    expect(lone.status).toBe(409);
    expect(first.requests.length - before).toBe(3);
  });

  it('a limit in time is a 504', async () => {
    first.script(errorAnswer(500));
    second.script({ refuse: 'hang' });
    const targets = [harness.targetOf(first), harness.targetOf(second, SHORT)];
    expect(await errorOf(harness.call(targets))).toMatchObject({ status: 504, code: 'upstream_timeout' });
  });

  it('nothing of the upstream shows in the answer', async () => {
    first.script(errorAnswer(401, 'Incorrect API key provided: sk-abcd1234'));
    const call = harness.call([harness.targetOf(first)]);
    const shown = JSON.stringify((await errorOf(call)).toEnvelope('request-1'));
    expect(shown).not.toContain('sk-');
    expect(shown).not.toContain('127.0.0.1');
  });
});

describe('the deadline', () => {
  it.each([false, true])('bounds all attempts together (stream: %s)', async (stream) => {
    const third = await harness.startUpstream();
    for (const upstream of [first, second, third]) upstream.script({ refuse: 'hang' });
    const patient = { firstByteMs: 3_600_000, firstContentMs: 3_600_000, totalMs: 3_600_000 };
    const targets = [
      harness.targetOf(first, { firstByteMs: 100 }),
      harness.targetOf(second, patient),
      harness.targetOf(third),
    ];
    const error = await errorOf(harness.call(targets, { stream, routing: { deadlineMs: 300 } }));
    expect(error).toMatchObject({ code: 'upstream_timeout', status: 504 });
    expect([first, second, third].map(({ requests }) => requests.length)).toEqual([1, 1, 0]);
  });

  it('bounds the pauses between tries', async () => {
    first.script(errorAnswer(429, 'wait', { 'retry-after': '5' }));
    const error = await errorOf(harness.call([harness.targetOf(first)], { routing: { deadlineMs: 1_000 } }));
    expect(error).toMatchObject({ status: 429, retryAfterMs: 5_000 });
    expect(first.requests).toHaveLength(1);
  });

  it('does not end a stream that has begun', async () => {
    const words = Array.from({ length: 10 }, (_, index) => `${index} `);
    first.script({ ...streamAnswer(words), pieceDelayMs: 50 });
    const call = harness.call([harness.targetOf(first)], { stream: true, routing: { deadlineMs: 200 } });
    const { texts, error } = await readAll(await streamOf(call));
    expect(error).toBeNull();
    expect(contentOf(texts)).toBe(words.join(''));
  });
});

describe('a refused credential', () => {
  it('keeps its provider out of the next requests while another can serve', async () => {
    first.script(errorAnswer(401));
    second.script(completionAnswer('hello'));
    const targets = [harness.targetOf(first), harness.targetOf(second)];
    const route = makeRoute(targets.slice(0, 1), targets.slice(1));
    for (let index = 0; index < 3; index++) await completionOf(harness.call(route));
    expect(first.requests).toHaveLength(1);
    expect(second.requests).toHaveLength(3);
  });
});

describe('a credential that is used too often', () => {
  it('is followed by the next one, even where its provider asks for no pause', async () => {
    first.script(errorAnswer(429, 'slow down', { 'retry-after': '0' }), completionAnswer('hello'));
    const provider = makeProvider({
      name: 'p0',
      baseUrl: `${first.url}/v1`,
      credential: 'one',
      credentials: ['one', 'two'],
    });
    expect((await completionOf(harness.call([makeTarget(provider)]))).served.attempts).toBe(2);
    expect(first.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer one', 'Bearer two']);
  });

  it('is left alone by requests that were under way when its provider said so', async () => {
    first.script({ ...errorAnswer(503), delayMs: 200 });
    second.script(errorAnswer(429, 'slow down', { 'retry-after': '30' }));
    const last = harness.targetOf(second);
    const slow = harness.call([harness.targetOf(first), last]);
    await first.request();
    expect((await errorOf(harness.call([last]))).code).toBe('upstream_rate_limited');
    expect((await errorOf(slow)).code).toBe('upstream_error');
    expect(second.requests).toHaveLength(1);
  });

  it('is left alone by requests that waited for a place when its provider said so', async () => {
    first.script({ ...errorAnswer(429, 'slow down', { 'retry-after': '30' }), delayMs: 100 });
    const provider = makeProvider({ name: 'p0', baseUrl: `${first.url}/v1`, maxConcurrent: 1, maxQueued: 10 });
    const calls = [1, 2, 3, 4].map(() => harness.call([makeTarget(provider)], { routing: { queueTimeoutMs: 10_000 } }));
    for (const call of calls) {
      const { code, retryAfterMs } = await errorOf(call);
      expect(code).toBe('upstream_rate_limited');
      expect(retryAfterMs).toBeGreaterThan(0);
    }
    expect(first.requests).toHaveLength(1);
  });
});

describe('the places at a provider', () => {
  it('are never exceeded: what finds none goes to the next target, or is told to come back', async () => {
    first.script({ ...completionAnswer('slow'), delayMs: 200 });
    second.script(completionAnswer('quick'));
    const narrow = makeTarget(makeProvider({ name: 'p0', baseUrl: `${first.url}/v1`, maxConcurrent: 1 }));
    const one = harness.call([narrow]);
    await first.request();
    expect((await completionOf(harness.call([narrow, harness.targetOf(second)]))).served.provider).toBe('p1');
    const refused = await errorOf(harness.call([narrow]));
    expect(refused).toMatchObject({ code: 'overloaded', status: 503 });
    await completionOf(one);
    await completionOf(harness.call([narrow]));
    expect(first.requests).toHaveLength(2);
  });
});

describe('a request that waits for a place', () => {
  const routing = { queueTimeoutMs: 5_000 };

  it('gets the first that comes free, and keeps no other', async () => {
    first.script({ ...completionAnswer('slow'), delayMs: 600 });
    second.script({ ...completionAnswer('quick'), delayMs: 150 });
    const [slow, quick] = [first, second].map((upstream, index) =>
      makeTarget(makeProvider({ name: `p${index}`, baseUrl: `${upstream.url}/v1`, maxConcurrent: 1, maxQueued: 10 })),
    ) as [Target, Target];
    const busy = [harness.call([slow], { routing }), harness.call([quick], { routing })];
    await Promise.all([first.request(), second.request()]);
    const waited = await completionOf(harness.call([slow, quick], { routing }));
    expect(waited.served).toMatchObject({ provider: 'p1', attempts: 1 });
    await Promise.all(busy.map(completionOf));
    expect((await completionOf(harness.call([slow], { routing: { queueTimeoutMs: 0 } }))).served.provider).toBe('p0');
  });

  it('goes on waiting for the others where that one fails', async () => {
    first.script({ ...completionAnswer('slow'), delayMs: 400 });
    second.script({ ...completionAnswer('quick'), delayMs: 100 }, errorAnswer(503));
    const targets = [first, second].map((upstream, index) =>
      makeTarget(makeProvider({ name: `p${index}`, baseUrl: `${upstream.url}/v1`, maxConcurrent: 1, maxQueued: 10 })),
    );
    const busy = targets.map((target) => harness.call([target], { routing }));
    await Promise.all([first.request(), second.request()]);
    const waited = await completionOf(harness.call(targets, { routing }));
    expect(waited.served).toMatchObject({ provider: 'p0', attempts: 2 });
    await Promise.all(busy.map(completionOf));
  });
});

describe('a request that a target cannot express', () => {
  /** Like vLLM's adapter in name; refuses `seed`, as adapters of other formats refuse what they have no word for. */
  class SeedlessAdapter extends VllmAdapter {
    override buildRequest(request: ScreenedRequest, target: Target): UpstreamRequest {
      if (request.chat.seed !== undefined) {
        throw new AegisError('unsupported_parameter', 'This provider has no "seed".', { param: 'seed' });
      }
      return super.buildRequest(request, target);
    }
  }
  const request = makeRequest({ seed: 1 });

  beforeEach(async () => {
    await harness.close();
    harness = new RouterHarness([new OpenAiAdapter(), new SeedlessAdapter()]);
    first = await harness.startUpstream();
    second = await harness.startUpstream();
  });

  function seedless(upstream: ScriptableUpstream): Target {
    return makeTarget(makeProvider({ name: 'seedless', type: 'vllm', baseUrl: `${upstream.url}/v1` }));
  }

  it('goes to one that can', async () => {
    second.script(completionAnswer('hello'));
    const answer = await completionOf(harness.call([seedless(first), harness.targetOf(second)], { request }));
    expect(answer.served).toEqual({ provider: 'p1', model: 'model-1', attempts: 1 });
    expect(first.requests).toHaveLength(0);
  });

  it('is refused by name where none can', async () => {
    const error = await errorOf(harness.call([seedless(first)], { request }));
    expect(error).toMatchObject({ code: 'unsupported_parameter', status: 400, param: 'seed' });
  });
});

async function listen(): Promise<Server> {
  // Read, or the other side's leaving would never be noticed and the connection outlive its test.
  const server = createServer((socket) => socket.on('error', () => undefined).resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function closedPort(): Promise<number> {
  const server = await listen();
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
