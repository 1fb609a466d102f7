import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { GatewayProcess } from '../../support/gateway-process.js';
import { chunkEvent, completionAnswer } from '../../support/scriptable-upstream.js';
import { eventually, type FaultGateway, FaultSite, pause, target } from '../support/fault-site.js';
import { collectGarbage, INSPECTED, residentMebibytes } from '../support/memory.js';
import { note } from '../support/notes.js';
import { EVENT_STREAM } from '../support/provider-answers.js';
import { codeOf, dial, exchange, readAll, readAnswers, requestText } from '../support/wire.js';

const MEBIBYTE = 1024 * 1024;
const SLOW = 500;
const site = new FaultSite();

async function startAlone(
  gateway: FaultGateway,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly alone: FaultGateway; readonly child: GatewayProcess }> {
  const started = await gateway.spawn(environment);
  site.onClose(async () => {
    started.child.child.kill('SIGKILL');
    await started.child.exited;
  });
  return started;
}

/** As in production, only sooner: 15 s and two minutes there. */
async function withShortTimes({ gateway }: FaultGateway, action: () => Promise<void>): Promise<void> {
  const server = gateway.gateway.app.getHttpServer();
  const { requestTimeout, headersTimeout } = server;
  Object.assign(server, { headersTimeout: 1_000, requestTimeout: 2_000 });
  try {
    await action();
  } finally {
    Object.assign(server, { headersTimeout, requestTimeout });
  }
}

describe('a client that sends slowly', () => {
  it(`row 79: ${SLOW} that never finish their headers are cut, and fresh ones are served meanwhile`, async () => {
    const upstream = (await site.upstream()).script(completionAnswer('fine'));
    const { alone } = await startAlone(await site.gateway([target(upstream)]));
    const startedAtMs = performance.now();
    const slow = Array.from({ length: SLOW }, () => {
      const socket = dial(alone.gateway.url);
      socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n');
      const drip = setInterval(() => socket.writable && socket.write('x: y\r\n'), 1_000);
      return readAll(socket, 60_000).finally(() => clearInterval(drip));
    });
    let isOver = false;
    const cut = Promise.all(slow).finally(() => {
      isOver = true;
    });
    let slowestMs = 0;
    while (!isOver) {
      const { status, elapsedMs } = await alone.ask();
      expect(status).toBe(200);
      slowestMs = Math.max(slowestMs, elapsedMs);
      await pause(100);
    }
    const ends = await cut;
    note(
      `all cut after ${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s, slowest canary ${slowestMs.toFixed(0)} ms`,
    );
    expect(ends.filter(({ closed }) => !closed)).toEqual([]);
    const answers = ends.flatMap((end) => end.answers);
    expect(answers.filter(({ status }) => status !== 408)).toEqual([]);
    expect(answers[0] && codeOf(answers[0])).toBe('invalid_request');
  }, 90_000);

  it('row 79: that says nothing at all is closed without a word, which a request on its way would take for its answer', async () => {
    const upstream = (await site.upstream()).script(completionAnswer('fine'));
    const gateway = await site.gateway([target(upstream)]);
    await withShortTimes(gateway, async () => {
      const [silent, begun] = [dial(gateway.gateway.url), dial(gateway.gateway.url)];
      begun.write('POST /v1/chat/completions HTTP/1.1\r\n');
      const ends = await Promise.all([readAll(silent), readAll(begun)]);
      expect(ends.map(({ closed }) => closed)).toEqual([true, true]);
      expect(ends.map(({ answers }) => answers.map(({ status }) => status))).toEqual([[], [408]]);
      expect(ends[0]?.text).toBe('');
    });
  }, 60_000);

  it('row 79: one that never finishes its body is cut, and gives back what was set aside for it', async () => {
    const upstream = (await site.upstream()).script(completionAnswer('fine'));
    const gateway = await site.gateway([target(upstream)]);
    await withShortTimes(gateway, async () => {
      // Together they announce more than may be on its way at one time.
      const slow = Array.from({ length: 40 }, () => {
        const socket = dial(gateway.gateway.url);
        const headers = ['host: x', `authorization: Bearer ${gateway.gateway.key}`, 'content-type: application/json'];
        socket.write(
          requestText('POST /v1/chat/completions HTTP/1.1', [...headers, `content-length: ${20 * MEBIBYTE}`], '{'),
        );
        const drip = setInterval(() => socket.writable && socket.write(' '), 500);
        return readAll(socket, 30_000).finally(() => clearInterval(drip));
      });
      const ends = await Promise.all(slow);
      expect(ends.filter(({ closed }) => !closed)).toEqual([]);
      expect(ends.flatMap(({ answers }) => answers).filter(({ status }) => status !== 408 && status !== 503)).toEqual(
        [],
      );
    });
    expect((await gateway.ask()).status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
  }, 60_000);
});

describe('a client that reads slowly', () => {
  const CLIENTS = 100;
  const FEW = 20;
  const PIECE = chunkEvent({ content: 'x'.repeat(16_000) });
  const STREAM_BYTES = 200 * MEBIBYTE;

  it(`row 80: ${CLIENTS} that read nothing of 200 MiB each: the upstream waits, memory does not grow with them`, async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { timeouts: { idle: '2m' }, max_concurrent: 500 })]);
    const { alone, child } = await startAlone(gateway, INSPECTED);
    upstream.script({
      headers: EVENT_STREAM,
      body: function* () {
        yield chunkEvent({ role: 'assistant', content: '' });
        for (let sent = 0; sent < STREAM_BYTES; sent += PIECE.length) yield PIECE;
      },
    });
    /** Until nothing moves any more. */
    const stall = async (count: number): Promise<{ readonly sockets: Socket[]; readonly sentBytes: number }> => {
      upstream.forget();
      const sockets = Array.from({ length: count }, () => alone.open({ stream: true }).pause());
      const sentBytes = () => upstream.requests.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
      await eventually(() => upstream.requests.length === count);
      for (let last = -1; last !== sentBytes(); await pause(1_000)) last = sentBytes();
      return { sockets, sentBytes: sentBytes() };
    };
    // A few first: they make the heap as large as relaying makes it. What more of them add is theirs.
    for (const socket of (await stall(FEW)).sockets) socket.destroy();
    await alone.idle();
    const residentBefore = residentMebibytes(child);
    const heldBefore = await heldMebibytes(alone, child);
    const { sockets: clients, sentBytes } = await stall(CLIENTS);
    const perStreamMebibytes = sentBytes / CLIENTS / MEBIBYTE;
    const held = ((await heldMebibytes(alone, child)) - heldBefore) / CLIENTS;
    const resident = (residentMebibytes(child) - residentBefore) / (CLIENTS - FEW);
    note(
      `${perStreamMebibytes.toFixed(1)} MiB left each upstream; a stream holds ${held.toFixed(2)} MiB, resident ${resident.toFixed(2)}`,
    );
    // What the kernel takes between two sockets, twice, and no more.
    expect(perStreamMebibytes).toBeLessThan(24);
    expect(held).toBeLessThan(1);
    // With what nobody has given back to the system yet.
    expect(resident).toBeLessThan(4);
    expect(await alone.metric('aegis_streams_open')).toBe(CLIENTS);
    upstream.script(completionAnswer('fine'));
    expect((await alone.ask()).status).toBe(200);
    for (const client of clients) client.destroy();
    await alone.idle();
    await eventually(() => upstream.open === 0);
  }, 120_000);
});

/** What the gateway's heap and buffers hold, in MiB. */
async function heldMebibytes(gateway: FaultGateway, child: GatewayProcess): Promise<number> {
  await collectGarbage(child);
  const heap = await gateway.metric('nodejs_heap_size_used_bytes');
  return (heap + (await gateway.metric('nodejs_external_memory_bytes'))) / MEBIBYTE;
}

describe('a client with many requests', () => {
  it('row 81: a thousand on one connection at once: all are answered, in their order', async () => {
    const gateway = await site.gateway([target(await site.upstream())]);
    const socket = dial(gateway.gateway.url);
    const one = (index: number) =>
      requestText('GET /v1/models HTTP/1.1', [
        'host: x',
        `authorization: Bearer ${gateway.gateway.key}`,
        `x-request-id: r${index}`,
      ]);
    socket.write(Array.from({ length: 1_000 }, (_, index) => one(index)).join(''));
    const answers = await readAnswers(socket, 1_000);
    socket.destroy();
    expect(answers.map(({ headers }) => headers.get('x-request-id'))).toEqual(
      Array.from({ length: 1_000 }, (_, index) => `r${index}`),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('row 81: that leaves with a thousand of them unanswered: nothing of it is left', async () => {
    const upstream = (await site.upstream()).script({ refuse: 'hang' });
    const gateway = await site.gateway([target(upstream, { max_concurrent: 5_000 })]);
    const body = JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: 'hi' }] });
    const headers = [
      'host: x',
      `authorization: Bearer ${gateway.gateway.key}`,
      'content-type: application/json',
      `content-length: ${body.length}`,
    ];
    const socket = dial(gateway.gateway.url);
    socket.write(requestText('POST /v1/chat/completions HTTP/1.1', headers, body).repeat(1_000));
    await eventually(() => upstream.requests.length >= 1);
    socket.resetAndDestroy();
    await gateway.idle();
    await eventually(() => upstream.open === 0 || upstream.requests.every(({ closed }) => closed !== undefined));
    upstream.script(completionAnswer('fine'));
    expect((await gateway.ask()).status).toBe(200);
  });

  it('row 81: five hundred idle connections keep nobody out', async () => {
    const upstream = (await site.upstream()).script(completionAnswer('fine'));
    const gateway = await site.gateway([target(upstream)]);
    const idle = Array.from({ length: 500 }, () => dial(gateway.gateway.url));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    expect((await gateway.ask()).status).toBe(200);
    for (const socket of idle) socket.destroy();
  });

  it('row 81: HTTP/2 is not spoken: its preface, and an upgrade to it, get nothing of it', async () => {
    const gateway = await site.gateway([target(await site.upstream())]);
    const preface = await exchange(gateway.gateway.url, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect([preface.closed, preface.answers[0]?.status]).toEqual([true, 400]);
    const upgrade = await exchange(
      gateway.gateway.url,
      requestText('GET /v1/models HTTP/1.1', [
        'host: x',
        'connection: upgrade, http2-settings, close',
        'upgrade: h2c',
        'http2-settings: AAMAAABkAAQAoAAAAAIAAAAA',
      ]),
    );
    expect(upgrade.answers.map(({ status }) => status)).toEqual([401]);
    const websocket = await exchange(
      gateway.gateway.url,
      requestText('GET /v1/models HTTP/1.1', [
        'host: x',
        'connection: upgrade, close',
        'upgrade: websocket',
        'sec-websocket-version: 13',
        'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
      ]),
    );
    expect(websocket.answers.map(({ status }) => status)).toEqual([401]);
  });
});
