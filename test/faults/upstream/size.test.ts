import { request } from 'undici';
import type { GatewayProcess } from '../../support/gateway-process.js';
import { chunkEvent, completionAnswer, type ScriptedAnswer } from '../../support/scriptable-upstream.js';
import {
  expectBroken,
  expectError,
  expectWhole,
  type FaultGateway,
  FaultSite,
  type FaultTarget,
  MODEL,
  pause,
  target,
} from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { EVENT_STREAM } from '../support/provider-answers.js';

const MEBIBYTE = 1024 * 1024;
/** What the kernel's buffers hold between an upstream and a gateway that has stopped reading. */
const SOCKET_BUFFERS_BYTES = 24 * MEBIBYTE;
const site = new FaultSite();

/** A gateway whose memory and event loop are its own: those of this process are the test's, too. */
async function startAlone(targets: readonly FaultTarget[], routing: object = {}): Promise<FaultGateway> {
  const { alone, child } = await (await site.gateway(targets, routing)).spawn();
  site.onClose(() => stop(child));
  return alone;
}

async function stop({ child, exited }: GatewayProcess): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}

/** Reads a stream to its end and keeps the last of it. */
async function drain({ gateway }: FaultGateway): Promise<{ bytes: number; tail: string; clean: boolean }> {
  const answer = await request(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, stream: true, messages: [{ role: 'user', content: 'hi' }] }),
  });
  let bytes = 0;
  let last = Buffer.alloc(0);
  try {
    for await (const piece of answer.body as AsyncIterable<Buffer>) {
      bytes += piece.length;
      last = Buffer.concat([last, piece]).subarray(-4096);
    }
    return { bytes, tail: last.toString('utf8'), clean: true };
  } catch {
    return { bytes, tail: last.toString('utf8'), clean: false };
  }
}

describe('an answer without end', () => {
  const LIMIT_BYTES = 64 * MEBIBYTE;
  const PIECE = chunkEvent({ content: 'x'.repeat(16_000) });

  function endless(piece: string, head = ''): ScriptedAnswer {
    return {
      headers: EVENT_STREAM,
      body: function* () {
        yield head;
        for (;;) yield piece;
      },
    };
  }

  it('row 08: of valid chunks: cut at the limit, and memory stays flat', async () => {
    const upstream = await site.upstream();
    const gateway = await startAlone([target(upstream)], { max_stream: '64MiB' });
    upstream.script(endless(PIECE, chunkEvent({ role: 'assistant', content: 'first' })));
    // What a process takes to warm up is no leak.
    await drain(gateway);
    const before = await gateway.metric('process_resident_memory_bytes');
    let most = before;
    let watching = true;
    const watch = (async () => {
      while (watching) {
        most = Math.max(most, await gateway.metric('process_resident_memory_bytes'));
        await pause(20);
      }
    })();
    const { bytes, tail, clean } = await drain(gateway);
    watching = false;
    await watch;
    expect(clean).toBe(false);
    expect(tail).toContain('"code":"upstream_invalid_response"');
    expect(tail).not.toContain('[DONE]');
    expect(bytes).toBeLessThan(LIMIT_BYTES * 1.1);
    const call = await upstream.request(1);
    await call.closed;
    expect(call.bytesSent).toBeLessThan(LIMIT_BYTES + SOCKET_BUFFERS_BYTES);
    const grownMebibytes = (most - before) / MEBIBYTE;
    expect(grownMebibytes).toBeLessThan(50);
    note(`${(bytes / MEBIBYTE).toFixed(0)} MiB passed, ${grownMebibytes.toFixed(0)} MiB more memory`);
  }, 60_000);

  it.each([
    ['blanks in a JSON answer', false, ' '.repeat(65_536)],
    ['comments in a stream', true, `: ${'x'.repeat(65_536)}\n\n`],
    ['chunks without content', true, chunkEvent({ role: 'assistant', content: '' }).repeat(100)],
  ])('row 08: of %s: refused at the limit', async (_name, stream, piece) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)], {
      max_attempts: 1,
      max_answer: '4MiB',
      max_event: '4MiB',
      max_stream: '8MiB',
    });
    upstream.script(endless(piece));
    expectError(await gateway.ask({ stream }), 502, 'upstream_invalid_response');
    const call = await upstream.request();
    await call.closed;
    expect(call.bytesSent).toBeLessThan(8 * MEBIBYTE + SOCKET_BUFFERS_BYTES);
  });

  it('row 08: the next target answers instead', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)], { max_answer: '4MiB' });
    first.script(endless(' '.repeat(65_536)));
    second.script(completionAnswer('good'));
    expect((await gateway.ask()).content).toBe('good');
  });
});

describe('an event of many megabytes', () => {
  const EVENT_LOOP_LAG_MS = 100;
  /** Noise of a busy machine only ever adds. */
  const TRIES = 4;

  /** One event of this size, in reads of this size. */
  function giant(bytes: number, sliceBytes = 65_536): ScriptedAnswer {
    const events = [
      chunkEvent({ role: 'assistant', content: 'first ' }),
      chunkEvent({ content: 'x'.repeat(bytes) }),
      chunkEvent({}, 'stop'),
      'data: [DONE]\n\n',
    ];
    return { headers: EVENT_STREAM, body: Buffer.from(events.join('')), sliceBytes };
  }

  /** The longest time the gateway's event loop stood still since it was last asked. */
  async function findLagMs(gateway: FaultGateway): Promise<number> {
    return (await gateway.metric('nodejs_eventloop_lag_max_seconds')) * 1000;
  }

  /** How much longer work takes than the processor needs for it: 1 where nobody else wants the processor. */
  function findSlowdown(): number {
    const begunAtMs = performance.now();
    const before = process.cpuUsage();
    let cpuMs = 0;
    while (cpuMs < 50) cpuMs = process.cpuUsage(before).user / 1000;
    return (performance.now() - begunAtMs) / cpuMs;
  }

  it.each([
    ['4 MiB, below the limit: it is passed on', 4, true],
    ['64 MiB, beyond it: the stream ends in an error', 64, false],
  ])('row 22: %s, and the event loop goes on', async (_name, mebibytes, passes) => {
    const upstream = await site.upstream();
    const gateway = await startAlone([target(upstream)]);
    upstream.script(giant(mebibytes * MEBIBYTE));
    let least = Number.POSITIVE_INFINITY;
    let limitMs = EVENT_LOOP_LAG_MS;
    for (let count = 0; count < TRIES && least >= limitMs; count++) {
      await pause(100);
      await findLagMs(gateway);
      const reply = await gateway.stream();
      least = Math.min(least, await findLagMs(gateway));
      limitMs = Math.max(limitMs, EVENT_LOOP_LAG_MS * findSlowdown());
      if (passes) expectWhole(reply, `first ${'x'.repeat(mebibytes * MEBIBYTE)}`);
      else expectBroken(reply, 'upstream_invalid_response');
    }
    expect(least).toBeLessThan(limitMs);
    note(`event loop stood still for ${least.toFixed(0)} ms at most`);
  });

  it('row 22: 4 MiB in reads of 512 bytes take no more than their share of time', async () => {
    const upstream = await site.upstream();
    const gateway = await startAlone([target(upstream)]);
    const timeOf = async (mebibytes: number): Promise<number> => {
      upstream.script(giant(mebibytes * MEBIBYTE, 512));
      const { elapsedMs, content } = await gateway.stream();
      expect(content).toHaveLength('first '.length + mebibytes * MEBIBYTE);
      return elapsedMs;
    };
    await timeOf(1);
    const [one, four] = [await timeOf(1), await timeOf(4)];
    // 16 times as long were it quadratic.
    expect(four).toBeLessThan(10 * one);
    note(`1 MiB ${one.toFixed(0)} ms, 4 MiB ${four.toFixed(0)} ms`);
  });

  it('row 22: beyond the limit before any content: the next target answers', async () => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)], { max_event: '1MiB' });
    first.script({ headers: EVENT_STREAM, body: `data: {"x":"${'x'.repeat(2 * MEBIBYTE)}"}\n\n` });
    second.script(completionAnswer('good'));
    expect((await gateway.ask()).content).toBe('good');
  });
});
