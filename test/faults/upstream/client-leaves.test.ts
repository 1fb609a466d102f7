import { once } from 'node:events';
import type { Socket } from 'node:net';
import {
  completionAnswer,
  errorAnswer,
  type RecordedRequest,
  type ScriptedAnswer,
} from '../../support/scriptable-upstream.js';
import { eventually, type FaultGateway, FaultSite, pause, target } from '../support/fault-site.js';
import { NO_LEDGER, note } from '../support/notes.js';
import {
  ANTHROPIC_START,
  anthropicStream,
  anthropicText,
  EVENT_STREAM,
  longStreamAnswer,
  words,
} from '../support/provider-answers.js';

const ABORT_MS = 250;
const LEFT = { status: '499' };
const site = new FaultSite();

const WAYS: [string, (client: Socket) => unknown][] = [
  ['closes its connection', (client) => client.destroy()],
  ['only says that it will send no more', (client) => client.end()],
  ['resets its connection', (client) => client.resetAndDestroy()],
];

/** Leaves, and asserts that the upstream's connection is closed in time. Returns how long that took. */
async function leave(client: Socket, call: RecordedRequest, how: (client: Socket) => unknown): Promise<number> {
  const leftAtMs = performance.now();
  how(client);
  const elapsedMs = (await call.closed) - leftAtMs;
  client.destroy();
  expect(elapsedMs).toBeLessThanOrEqual(ABORT_MS);
  note(`upstream closed after ${elapsedMs.toFixed(0)} ms`);
  return elapsedMs;
}

describe('a client that leaves', () => {
  it.each(WAYS)('row 01: in the middle of a stream: it %s', async (_name, how) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(longStreamAnswer());
    const client = gateway.open({ stream: true });
    let text = '';
    client.on('data', (piece) => {
      text += piece;
    });
    await eventually(() => text.includes('w2 '));
    const call = await first.request();
    await leave(client, call, how);
    await gateway.idle();
    expect(first.requests).toHaveLength(1);
    expect(second.requests).toHaveLength(0);
    expect(await gateway.metric('aegis_requests_total', { ...LEFT, provider: gateway.provider(0) })).toBe(1);
    expect(await gateway.metric('aegis_streams_open')).toBe(0);
    note(NO_LEDGER);
  });

  it('row 01: in the middle of a stream: what was counted until then is counted', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { type: 'anthropic' })]);
    upstream.script({
      ...anthropicStream(...ANTHROPIC_START, ...words(100).map(anthropicText)),
      pieceDelayMs: 50,
    });
    const client = gateway.open({ stream: true });
    const call = await upstream.request();
    await once(client, 'data');
    await leave(client, call, (socket) => socket.destroy());
    await gateway.idle();
    expect(await gateway.metric('aegis_requests_total', LEFT)).toBe(1);
    expect(await gateway.metric('aegis_tokens_total', { provider: gateway.provider(0), direction: 'input' })).toBe(25);
    note(NO_LEDGER);
  });

  const WAITS: [string, boolean, ScriptedAnswer][] = [
    ['the headers of a stream', true, { refuse: 'hang' }],
    ['the first content of a stream', true, { headers: EVENT_STREAM, body: ': wait\n\n', ending: 'stall' }],
  ];
  it.each(WAITS)('row 02: before the first byte: it waits for %s', async (_name, stream, answer) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(answer);
    const client = gateway.open({ stream });
    await leave(client, await first.request(), (socket) => socket.destroy());
    await gateway.idle();
    expect(first.requests).toHaveLength(1);
    expect(second.requests).toHaveLength(0);
    expect(await gateway.metric('aegis_requests_total', LEFT)).toBe(1);
    expect(await gateway.metric('aegis_fallbacks_total')).toBe(0);
  });

  it('row 02: before the first byte: in the pause before a retry, which then never comes', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(errorAnswer(503, 'busy', { 'retry-after-ms': '900' }));
    const client = gateway.open({ stream: true });
    const call = await upstream.request();
    await eventually(async () => (await gateway.metric('aegis_upstream_attempts_total')) === 1);
    client.destroy();
    await gateway.idle();
    // The pause ends with the client, and not by itself.
    expect(performance.now() - call.receivedAtMs).toBeLessThan(900);
    // Past what would have been the whole of it, its jitter included.
    await pause(1_300);
    expect(upstream.requests).toHaveLength(1);
    expect(await gateway.metric('aegis_requests_total', LEFT)).toBe(1);
  });

  const PARTS: [string, ScriptedAnswer][] = [
    ['before the headers', { refuse: 'hang' }],
    ['in the middle of the JSON text', { ...completionAnswer('x'), body: ['{"id":'], ending: 'stall' }],
  ];
  it.each(PARTS)('row 03: of a request without a stream, %s', async (_name, answer) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, { max_concurrent: 1, max_queued: 0 }), target(second)]);
    first.script(answer);
    const client = gateway.open();
    await leave(client, await first.request(), (socket) => socket.destroy());
    await gateway.idle();
    expect(second.requests).toHaveLength(0);
    expect(await gateway.metric('aegis_requests_total', LEFT)).toBe(1);
    first.script(completionAnswer('after it'));
    // The one place there is has come free.
    expect((await gateway.ask()).headers['x-aegis-provider']).toBe(gateway.provider(0));
    note(NO_LEDGER);
  });
});

describe('200 requests of one key that are all aborted', () => {
  const PLACES = 8;
  const PHASES: ScriptedAnswer[] = [
    { refuse: 'hang' },
    { headers: EVENT_STREAM, body: ': wait\n\n', ending: 'stall' },
    longStreamAnswer(),
    { ...completionAnswer('x'), body: ['{"id":'], ending: 'stall' },
    { ...longStreamAnswer(), pieceDelayMs: 1, ending: 'stall' },
  ];

  it('row 03: an abort storm from one key: 200 requests left in every phase open no circuit, keep no place and no connection', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway(
      [target(first, { max_concurrent: PLACES, max_queued: 20 }), target(second, { max_concurrent: 4 })],
      {
        // Quick to open, were any of this held against the target.
        circuit_breaker: { consecutive_failures: 2, min_requests: 2, failure_percent: 1 },
      },
    );
    const arrived = new Set<number>();
    const answer = (request: RecordedRequest): ScriptedAnswer => {
      const { user } = request.json() as { user: string };
      arrived.add(Number(user));
      return PHASES[Number(user) % PHASES.length] ?? {};
    };
    first.answerWith(answer);
    second.answerWith(answer);
    let left = 0;
    const worker = async (): Promise<void> => {
      while (left < 200) await abortOne(gateway, left++, arrived);
    };
    await Promise.all(Array.from({ length: 2 * PLACES }, worker));
    await gateway.idle();
    const calls = [...first.requests, ...second.requests];
    await Promise.all(calls.map(({ closed }) => closed));
    note(`${calls.length} had reached an upstream`);
    expect(calls.length).toBeGreaterThan(120);

    expect(await gateway.metric('aegis_circuit_openings_total')).toBe(0);
    expect(await gateway.metric('aegis_circuit_state', { state: 'open' })).toBe(0);
    expect(await gateway.circuits()).toMatchObject({ status: 'up', open: 0 });
    expect(await gateway.metric('aegis_streams_open')).toBe(0);
    expect(await gateway.metric('aegis_requests_total', LEFT)).toBeGreaterThan(150);
    // Every place is there again: as many as there are find one at the first target, at the same time.
    first.forget();
    first.script({ ...completionAnswer('after it'), delayMs: 150 });
    const replies = await Promise.all(Array.from({ length: PLACES }, () => gateway.ask()));
    expect(replies.map(({ headers }) => headers['x-aegis-provider'])).toEqual(Array(PLACES).fill(gateway.provider(0)));
    expect(first.requests).toHaveLength(PLACES);
  });

  /** Leaves some time after its request has come through to an upstream; every seventh one as soon as it is sent. */
  async function abortOne(gateway: FaultGateway, index: number, arrived: ReadonlySet<number>): Promise<void> {
    const client = gateway.open({ stream: index % 3 !== 0, user: String(index) });
    client.resume();
    await once(client, 'connect');
    // One that waits for a place may wait longer than this.
    const givesUpAtMs = performance.now() + 200;
    if (index % 7 !== 0) await eventually(() => arrived.has(index) || performance.now() > givesUpAtMs);
    await pause((index * 7) % 30);
    if (index % 2 === 0) client.destroy();
    else client.resetAndDestroy();
  }
});
