import { APIError } from 'openai';
import { GatewayConfig } from '../../../src/config/schema/gateway.config.js';
import {
  brokenStreamAnswer,
  chunkEvent,
  completionAnswer,
  errorAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import { expectBroken, expectError, expectWhole, FaultSite, MODEL, type Reply, target } from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { EVENT_STREAM, words } from '../support/provider-answers.js';

const site = new FaultSite();
const SHORT = { timeouts: { first_byte: '150ms', first_content: '150ms', idle: '150ms' } };

function expectContent(reply: Reply, stream: boolean, content: string): void {
  if (stream) expectWhole(reply, content);
  else expect({ status: reply.status, content: reply.content }).toEqual({ status: 200, content });
}

describe.each([
  ['a stream', true],
  ['a JSON answer', false],
])('an upstream that falls silent before the first content of %s', (kind, stream) => {
  const good = stream ? streamAnswer(['good']) : completionAnswer('good');

  it(`row 04: takes the connection and never sends headers: the next target answers (${kind})`, async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, SHORT), target(second)]);
    first.script({ refuse: 'hang' });
    second.script(good);
    const reply = await gateway.ask({ stream });
    expectContent(reply, stream, 'good');
    expect(reply.headers['x-aegis-attempts']).toBe('2');
    expect(
      await gateway.metric('aegis_upstream_attempts_total', { provider: gateway.provider(0), outcome: 'timeout' }),
    ).toBe(1);
  });

  it(`row 04: takes the connection, swallows what is sent and never says a word: the next target answers (${kind})`, async () => {
    const [first, second] = await site.upstreams();
    const proxy = (await site.proxy(first)).poison({ swallow: true });
    const gateway = await site.gateway([target(proxy, SHORT), target(second)]);
    second.script(good);
    expectContent(await gateway.ask({ stream }), stream, 'good');
    expect(proxy.swallowed.toString()).toContain('POST /v1/chat/completions');
    expect(first.requests).toHaveLength(0);
  });

  it(`row 04: never sends headers, and is the only target: 504 within the deadline (${kind})`, async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, SHORT)], { deadline: '800ms' });
    upstream.script({ refuse: 'hang' });
    const reply = await gateway.ask({ stream });
    expectError(reply, 504, 'upstream_timeout');
    expect(reply.json().error?.type).toBe('timeout_error');
    expect(reply.elapsedMs).toBeLessThan(800 + 500);
    note(`after ${reply.elapsedMs.toFixed(0)} ms of a deadline of 800`);
  });

  it(`row 05: sends headers and then nothing: the next target answers, and the client sees one 200 (${kind})`, async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, SHORT), target(second)]);
    first.script({ headers: stream ? EVENT_STREAM : { 'content-type': 'application/json' }, ending: 'stall' });
    second.script(good);
    const reply = await gateway.ask({ stream });
    expectContent(reply, stream, 'good');
    expect(reply.headers['x-aegis-provider']).toBe(gateway.provider(1));
  });

  it(`row 05: sends headers and then nothing, and is the only target: 504, not a 200 without content (${kind})`, async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, SHORT)], { max_attempts: 1 });
    upstream.script({ headers: stream ? EVENT_STREAM : { 'content-type': 'application/json' }, ending: 'stall' });
    expectError(await gateway.ask({ stream }), 504, 'upstream_timeout');
  });
});

describe('a stream that stalls', () => {
  it('row 06: by default its silence lasts 30 s at most', () => {
    expect(new GatewayConfig().routing.idleTimeoutMs).toBe(30_000);
  });

  it('row 06: after 5 chunks: one error event and a closed connection after the idle limit', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, { timeouts: { idle: '300ms' } }), target(second)]);
    first.script(brokenStreamAnswer(words(5), 'stall'));
    const reply = await gateway.stream();
    expectBroken(reply, 'upstream_timeout');
    expect(reply.content).toBe(words(5).join(''));
    expect(reply.elapsedMs).toBeGreaterThanOrEqual(295);
    expect(reply.elapsedMs).toBeLessThan(300 + 1000);
    expect(second.requests).toHaveLength(0);
    note(`${reply.elapsedMs.toFixed(0)} ms with an idle limit of 300; code as SPEC has it`);
  });

  it('row 06: in the middle of an event, the connection left open', async () => {
    const upstream = await site.upstream();
    const proxy = (await site.proxy(upstream)).poison({ afterText: '"content":"w3', ending: 'stall' });
    const gateway = await site.gateway([target(proxy, { timeouts: { idle: '200ms' } })]);
    upstream.script(streamAnswer(words(10)));
    const reply = await gateway.stream();
    expectBroken(reply, 'upstream_timeout');
    expect(reply.content).toBe(words(3).join(''));
  });

  it('row 06: the official SDK raises an error', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { timeouts: { idle: '200ms' } })]);
    upstream.script(brokenStreamAnswer(words(5), 'stall'));
    const stream = await gateway.gateway.openai().chat.completions.create({
      model: MODEL,
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    });
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })();
    const error = await reading.catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'upstream_timeout' });
    expect(text).toBe(words(5).join(''));
  });
});

describe('a stream that drips and is never idle', () => {
  const drip = (piece: string) => ({
    headers: EVENT_STREAM,
    body: function* () {
      yield chunkEvent({ role: 'assistant', content: '' });
      for (;;) yield piece;
    },
    pieceDelayMs: 30,
  });

  it('row 07: of comments before any content: the next target answers', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([
      target(first, { timeouts: { idle: '5s', first_content: '300ms' } }),
      target(second),
    ]);
    first.script(drip(': still here\n\n'));
    second.script(streamAnswer(['good']));
    expectWhole(await gateway.stream(), 'good');
  });

  it.each([
    ['comments', ': still here\n\n'],
    ['words', chunkEvent({ content: 'drip ' })],
  ])('row 07: of %s after the first content: ended by the total limit', async (_name, piece) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, { timeouts: { idle: '5s', total: '400ms' } }), target(second)]);
    first.script({
      ...drip(piece),
      body: function* () {
        yield chunkEvent({ role: 'assistant', content: 'first ' });
        for (;;) yield piece;
      },
    });
    const reply = await gateway.stream();
    expectBroken(reply, 'upstream_timeout');
    expect(reply.elapsedMs).toBeLessThan(400 + 1000);
    await (await first.request()).closed;
    expect(second.requests).toHaveLength(0);
    note(`${reply.elapsedMs.toFixed(0)} ms with a total limit of 400`);
  });
});

describe('a slow failure', () => {
  it.each([
    ['a stream', true],
    ['a JSON answer', false],
  ])('row 31: leaves the next target what is left of the deadline: %s', async (_name, stream) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)], { deadline: '900ms' });
    first.script({ ...errorAnswer(500), delayMs: 600 });
    second.script({ refuse: 'hang' });
    const reply = await gateway.ask({ stream });
    expectError(reply, 504, 'upstream_timeout');
    expect(second.requests).toHaveLength(1);
    // 1,500 ms were the deadline begun anew for each try.
    expect(reply.elapsedMs).toBeLessThan(1_400);
    note(`${reply.elapsedMs.toFixed(0)} ms of a deadline of 900`);
  });
});
