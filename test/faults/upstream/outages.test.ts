import OpenAI from 'openai';
import {
  completionAnswer,
  errorAnswer,
  type RecordedRequest,
  ScriptableUpstream,
  type ScriptedAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import {
  eventually,
  expectBroken,
  expectError,
  expectWhole,
  FaultSite,
  MODEL,
  pause,
  type Reply,
  target,
} from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { words } from '../support/provider-answers.js';

const site = new FaultSite();

/** Runs `count` tasks, at most `workers` at the same time. */
async function inParallel(workers: number, count: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

function isStream(request: RecordedRequest): boolean {
  return (request.json() as { stream?: boolean }).stream === true;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

describe('all targets down', () => {
  const BREAKER = { consecutive_failures: 3, open_for: '1s', open_for_max: '1s' };

  it('row 29: circuits open, and then a 503 with retry-after comes at once', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)], {
      circuit_breaker: { consecutive_failures: 3, open_for: '20s' },
    });
    await first.close();
    await second.close();
    for (let count = 0; count < 3; count++) expect((await gateway.ask()).status).toBe(502);
    expect(await gateway.metric('aegis_circuit_state', { state: 'open' })).toBeGreaterThanOrEqual(2);
    expect(await gateway.circuits()).toMatchObject({ status: 'degraded' });

    const attempts = await gateway.metric('aegis_upstream_attempts_total');
    const elapsed: number[] = [];
    for (let count = 0; count < 30; count++) {
      const reply = await gateway.ask({ stream: count % 2 === 0 });
      expectError(reply, 503, 'no_target_available');
      expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1);
      expect(Number(reply.headers['retry-after'])).toBeLessThanOrEqual(20);
      elapsed.push(reply.elapsedMs);
    }
    expect(await gateway.metric('aegis_upstream_attempts_total')).toBe(attempts);
    expect(median(elapsed)).toBeLessThan(50);
    note(`median ${median(elapsed).toFixed(1)} ms`);
  });

  it('row 29: half open, one request at a time tries, however many there are', async () => {
    const upstream = await site.upstream();
    const circuit_breaker = { consecutive_failures: 3, open_for: '2s', open_for_max: '2s' };
    const gateway = await site.gateway([target(upstream)], { max_attempts: 1, circuit_breaker });
    upstream.script(errorAnswer(500));
    for (let count = 0; count < 3; count++) await gateway.ask();
    /** How many of twenty at once are refused. The one that tries is held until all others were answered. */
    const refusedOfCrowd = async (answer: ScriptedAnswer): Promise<number> => {
      let release = (): void => undefined;
      const until = new Promise<void>((resolve) => {
        release = resolve;
      });
      upstream.forget();
      upstream.script({ ...answer, until });
      let refused = 0;
      const ask = async (): Promise<void> => {
        const { status } = await gateway.ask();
        if (status === 503 && ++refused === 19) release();
      };
      await Promise.all(Array.from({ length: 20 }, ask));
      return refused;
    };

    await pause(2_000);
    expect(await refusedOfCrowd(errorAnswer(500))).toBe(19);
    expect(upstream.requests).toHaveLength(1);
    // The probe failed: closed to all for another pause.
    expect(await refusedOfCrowd(errorAnswer(500))).toBe(20);
    expect(upstream.requests).toHaveLength(0);
    await pause(2_000);
    expect(await refusedOfCrowd(completionAnswer('back'))).toBe(19);
    expect(upstream.requests).toHaveLength(1);
    // The probe succeeded: open to all again.
    upstream.script(completionAnswer('back'));
    const replies = await Promise.all(Array.from({ length: 20 }, () => gateway.ask()));
    expect(replies.filter(({ content }) => content === 'back')).toHaveLength(20);
  });

  it.each([
    ['streams', true],
    ['JSON answers', false],
  ])('row 29: one comes back: it serves again within the probe interval: %s', async (_kind, stream) => {
    const [first, second] = await site.upstreams();
    const proxies = [await site.proxy(first), await site.proxy(second)] as const;
    const gateway = await site.gateway([target(proxies[0]), target(proxies[1])], { circuit_breaker: BREAKER });
    for (const proxy of proxies) proxy.poison({ refuse: true });
    second.script(stream ? streamAnswer(['back']) : completionAnswer('back'));
    while ((await gateway.ask({ stream })).status !== 503);
    proxies[1].poison({});
    const restartedAtMs = performance.now();
    let reply = await gateway.ask({ stream });
    while (reply.status !== 200) {
      await pause(10);
      reply = await gateway.ask({ stream });
    }
    const elapsedMs = performance.now() - restartedAtMs;
    expect(reply.content).toBe('back');
    // The interval, and what one request takes that came in its last moment.
    expect(elapsedMs).toBeLessThan(1_000 + 1_000);
    const labels = { provider: gateway.provider(1), state: 'closed' };
    await eventually(async () => (await gateway.metric('aegis_circuit_state', labels)) === 1);
    note(`back after ${elapsedMs.toFixed(0)} ms of an interval of 1,000`);
  });
});

describe('a retry storm', () => {
  const CLIENTS = 300;

  it.each([
    ['with circuit breakers', true],
    ['without circuit breakers', false],
  ])(
    'row 32: at 100 %% failure a target gets at most 1.2 requests for each of the clients: %s',
    async (_name, enabled) => {
      const upstream = await site.upstream();
      const gateway = await site.gateway([target(upstream)], {
        deadline: '2s',
        circuit_breaker: { enabled, open_for: '200ms', open_for_max: '200ms' },
      });
      upstream.script(errorAnswer(500));
      let advised = 0;
      await inParallel(16, CLIENTS, async (index) => {
        const reply = await gateway.ask({ stream: index % 2 === 0 });
        expect([502, 503]).toContain(reply.status);
        const attempts = Number(reply.headers['x-aegis-attempts'] ?? 0);
        if (reply.headers['x-should-retry'] === 'false') advised++;
        expect(attempts).toBeLessThanOrEqual(4);
      });
      const amplification = upstream.requests.length / CLIENTS;
      expect(amplification).toBeLessThanOrEqual(1.2);
      // Who was tried more than once is told not to come again.
      if (!enabled) expect(advised).toBeGreaterThan(0);
      note(`${upstream.requests.length} upstream requests for ${CLIENTS}: ${amplification.toFixed(2)}`);
    },
  );

  it('row 32: the same where clients retry as the official SDK does by default', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)], {
      deadline: '2s',
      // Clients wait for as long as `retry-after` says: a second at least.
      circuit_breaker: { open_for: '500ms', open_for_max: '1s' },
    });
    upstream.script(errorAnswer(500));
    const openai = new OpenAI({ apiKey: gateway.gateway.key, baseURL: `${gateway.gateway.url}/v1` });
    expect(openai.maxRetries).toBe(2);
    await inParallel(CLIENTS, CLIENTS, async () => {
      const asked = openai.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'hi' }] });
      await expect(asked).rejects.toMatchObject({ status: expect.any(Number) });
    });
    const requests = await gateway.metric('aegis_requests_total');
    expect(upstream.requests.length / CLIENTS).toBeLessThanOrEqual(1.2);
    note(`${upstream.requests.length} upstream requests for ${CLIENTS} calls in ${requests} requests`);
  });

  it('row 32: a second target that serves costs each request one attempt more at most', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(errorAnswer(500));
    second.script(completionAnswer('good'));
    await inParallel(16, CLIENTS, async () => {
      expect((await gateway.ask()).content).toBe('good');
    });
    const amplification = (first.requests.length + second.requests.length) / CLIENTS;
    expect(amplification).toBeLessThanOrEqual(1.2);
    note(`${first.requests.length} requests to the failing one, ${amplification.toFixed(2)} in all`);
  });
});

describe('a target that is killed under load', () => {
  const REQUESTS = 600;
  const ANSWER = words(10);

  /** An upstream that takes some time, so that the end comes in the middle of many answers. */
  function answer(request: RecordedRequest): ScriptedAnswer {
    return isStream(request)
      ? { ...streamAnswer(ANSWER), pieceDelayMs: 3 }
      : { ...completionAnswer(ANSWER.join('')), delayMs: 20 };
  }

  it.each([
    ['a process that dies', (upstream: ScriptableUpstream) => upstream.close()],
    [
      'a process that is alive and fails',
      async (upstream: ScriptableUpstream) => void upstream.script(errorAnswer(503)),
    ],
  ])('row 09: no client sees an error that a fallback could have saved: %s', async (_name, kill) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.answerWith(answer);
    second.answerWith(answer);
    let broken = 0;
    let bySecond = 0;
    let done = 0;
    let killing: Promise<void> | null = null;
    await inParallel(16, REQUESTS, async (index) => {
      const reply = await gateway.ask({ stream: index % 2 === 0 });
      if (++done >= REQUESTS / 2) killing ??= kill(first);
      if (reply.headers['x-aegis-provider'] === gateway.provider(1)) bySecond++;
      const isWhole = reply.clean && reply.status === 200;
      if (index % 2 !== 0) {
        expect({ status: reply.status, content: reply.content }).toEqual({ status: 200, content: ANSWER.join('') });
      } else if (isWhole) {
        expectWhole(reply, ANSWER.join(''));
      } else {
        broken++;
        // Only one whose first content had gone out may end so.
        expectBroken(reply, 'upstream_error');
        expect(reply.headers['x-aegis-provider']).toBe(gateway.provider(0));
        expect(reply.content).toMatch(/^w0 /);
      }
    });
    await killing;
    expect(broken).toBeLessThanOrEqual(16);
    expect(bySecond).toBeGreaterThan(REQUESTS / 4);
    expect(await gateway.metric('aegis_circuit_state', { provider: gateway.provider(0), state: 'open' })).toBe(1);
    note(`${REQUESTS} requests, ${bySecond} by the second target, ${broken} streams ended in an error event`);
  });
});

describe('a target whose places are all taken', () => {
  const slow = (content: string, delayMs: number): ScriptedAnswer => ({ ...completionAnswer(content), delayMs });

  it('row 29: all places taken: a request waits for a place, in the order of its coming', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { max_concurrent: 1, max_queued: 5 })], {
      queue_timeout: '5s',
    });
    upstream.script(slow('served', 100));
    const asked: Promise<Reply>[] = [];
    for (let count = 0; count < 4; count++) {
      asked.push(gateway.ask({ user: String(count) }));
      // Into the queue one by one.
      if (count === 0) await upstream.request();
      else await eventually(async () => (await gateway.metric('aegis_requests_in_flight')) === count + 1);
    }
    for (const reply of await Promise.all(asked)) expect(reply.status).toBe(200);
    expect(upstream.requests.map((request) => (request.json() as { user: string }).user)).toEqual(['0', '1', '2', '3']);
    for (const [index, request] of upstream.requests.entries()) {
      const before = upstream.requests[index - 1];
      if (before) expect(request.receivedAtMs - before.receivedAtMs).toBeGreaterThanOrEqual(95);
    }
  });

  it('row 29: all places taken: none comes free in time, or too many wait: 503 with retry-after', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { max_concurrent: 1, max_queued: 1 })], {
      queue_timeout: '150ms',
    });
    upstream.script({ refuse: 'hang' });
    const holder = gateway.open();
    await upstream.request();
    const waiting = gateway.ask();
    await eventually(async () => (await gateway.metric('aegis_requests_in_flight')) === 2);
    const turnedAway = await gateway.ask();
    for (const reply of [turnedAway, await waiting]) {
      expectError(reply, 503, 'overloaded');
      expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    }
    expect((await waiting).elapsedMs).toBeGreaterThanOrEqual(145);
    expect(upstream.requests).toHaveLength(1);
    holder.destroy();
    await gateway.idle();
    upstream.script(completionAnswer('free again'));
    expect((await gateway.ask()).content).toBe('free again');
  });

  it('row 29: all places taken: a client that leaves the queue leaves room in it', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { max_concurrent: 1, max_queued: 1 })], {
      queue_timeout: '10s',
    });
    upstream.script(slow('first', 600), completionAnswer('next'));
    const first = gateway.ask();
    await upstream.request();
    const impatient = gateway.open();
    await eventually(async () => (await gateway.metric('aegis_requests_in_flight')) === 2);
    impatient.destroy();
    await eventually(async () => (await gateway.metric('aegis_requests_in_flight')) === 1);
    expect((await gateway.ask()).content).toBe('next');
    expect((await first).content).toBe('first');
    expect(upstream.requests).toHaveLength(2);
  });

  it('row 29: all places taken: a request goes to the next target at once where that one has a place', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, { max_concurrent: 1 }), target(second)], {
      queue_timeout: '10s',
    });
    first.script({ refuse: 'hang' });
    second.script(completionAnswer('good'));
    const holder = gateway.open();
    await first.request();
    const reply = await gateway.ask();
    expect(reply.content).toBe('good');
    expect(reply.headers['x-aegis-attempts']).toBe('1');
    holder.destroy();
  });
});
