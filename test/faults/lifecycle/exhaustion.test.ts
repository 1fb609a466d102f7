import { execFileSync } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Agent, request } from 'undici';
import { waitUntil } from '../../integration/auth/replica.js';
import { brokenStreamAnswer, completionAnswer } from '../../support/scriptable-upstream.js';
import { type Answer, WorkerGateway } from '../../support/worker-gateway.js';
import { Cleanup } from '../support/cleanup.js';
import { Clients, failuresOf, isStreamWhole } from '../support/clients.js';
import { pause } from '../support/fault-site.js';
import { note } from '../support/notes.js';

const DEADLINE_MS = 150_000;
const MEBIBYTE = 1024 * 1024;

describe('a process that runs out of something', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function start(setting: Parameters<WorkerGateway['spawn']>[0], server: object = {}): Promise<WorkerGateway> {
    const gateway = await WorkerGateway.start({ workers: 1, isStarted: false, gateway: { server: { ...server } } });
    cleanup.add(() => gateway.close());
    await gateway.spawn(setting);
    return gateway;
  }

  const live = async ({ url }: WorkerGateway): Promise<number> => {
    const answer = await request(`${url}/aegis/v1/health/live`, { dispatcher: new Agent({ pipelining: 0 }) });
    await answer.body.dump();
    return answer.statusCode;
  };
  const codesOf = (answers: readonly Answer[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const { status, text } of answers) {
      const name = status === 200 ? '200' : `${status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ''}`.trim();
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  };

  const connectIdle = async ({ url }: WorkerGateway, count: number): Promise<Socket[]> => {
    const sockets: Socket[] = [];
    for (let index = 0; index < count; index += 1) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
      sockets.push(socket);
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined);
    }
    return sockets;
  };

  /** A stream that its client leaves when told to, if it was ever begun. */
  const holdOpen = async (gateway: WorkerGateway, signal: AbortSignal): Promise<void> => {
    const answer = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'alias', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
      dispatcher: new Agent({ pipelining: 0 }),
      signal,
    }).catch(() => undefined);
    await answer?.body.text().catch(() => undefined);
  };

  /** Thirty answers of a gateway that nothing is wrong with any more. */
  const untilWell = async (gateway: WorkerGateway): Promise<Answer[]> => {
    gateway.upstream.script(completionAnswer('again'));
    await waitUntil(async () => (await gateway.ask()).status === 200, 60_000);
    await waitUntil(async () => (await live(gateway)) === 200);
    const answers = await gateway.askMany(30);
    expect(failuresOf(answers)).toEqual([]);
    expect(gateway.process.child.exitCode).toBeNull();
    expect(gateway.process.output()).not.toMatch(/"msg":"(uncaught|unhandled)/);
    return answers;
  };

  it(
    'row 62: 256 file descriptors are too few to start: it says so, and exits with 1',
    async () => {
      const gateway = await WorkerGateway.start({ workers: 1, isStarted: false });
      cleanup.add(() => gateway.close());
      const process = gateway.begin({ through: ['prlimit', '--nofile=256:256'] });
      expect(await process.exited).toBe(1);
      expect(process.output()).toContain('Too few file descriptors');
    },
    DEADLINE_MS,
  );

  it(
    'row 62: 512 file descriptors: what there are none for is refused with 503 or not accepted, what was taken ends whole',
    async () => {
      const gateway = await start({ through: ['prlimit', '--nofile=512:512'] });
      const most = await gateway.metric('aegis_requests_in_flight_limit');
      const finish = await gateway.holdStreams(most);
      const refused = await gateway.askMany(10);
      expect(codesOf(refused)).toEqual({ '503 overloaded': 10 });
      expect(await live(gateway)).toBe(200);
      const idle = await connectIdle(gateway, 500);
      const streams = await finish();
      expect(streams.filter(isStreamWhole)).toHaveLength(most);
      for (const socket of idle) socket.destroy();
      const answers = await untilWell(gateway);
      note(`${most} streams, 500 idle connections, then ${JSON.stringify(codesOf(answers))}`);
    },
    DEADLINE_MS,
  );

  it(
    'row 62: all file descriptors are gone, more than it was told of: nothing ends the process, and it is well again after it',
    async () => {
      const gateway = await start({});
      expect((await gateway.ask()).status).toBe(200);
      execFileSync('prlimit', [`--pid=${gateway.process.child.pid}`, '--nofile=160:160']);
      gateway.upstream.script(brokenStreamAnswer(['a'], 'stall'));
      const leaving = new AbortController();
      setMaxListeners(0, leaving.signal);
      const streams = Array.from({ length: 150 }, () => holdOpen(gateway, leaving.signal));
      await pause(1_500);
      const counts = codesOf(await gateway.askMany(20));
      leaving.abort();
      await Promise.all(streams);
      const answers = await untilWell(gateway);
      note(`meanwhile ${JSON.stringify(counts)}, then ${JSON.stringify(codesOf(answers))}`);
    },
    DEADLINE_MS,
  );

  it(
    'row 62: a heap of 256 MiB, and more large bodies than fit: some are refused with 503, the process lives',
    async () => {
      const gateway = await start(
        { environment: { NODE_OPTIONS: '--max-old-space-size=256' } },
        { body_limit: '20MiB' },
      );
      const words = 'the quick brown fox jumps over the lazy dog and counts on. ';
      const content = words.repeat(Math.floor((12 * MEBIBYTE) / words.length));
      const probes: number[] = [];
      let isOver = false;
      const probing = (async () => {
        while (!isOver) probes.push(await live(gateway).catch(() => 0));
      })();
      const answers = await gateway.askMany(32, { messages: [{ role: 'user', content }] });
      isOver = true;
      await probing;
      const counts = codesOf(answers);

      note(`32 bodies of 12 MiB: ${JSON.stringify(counts)}`);
      expect(gateway.process.child.exitCode).toBeNull();
      expect(gateway.process.child.signalCode).toBeNull();
      expect(Object.keys(counts).filter((name) => !['200', '503 overloaded'].includes(name))).toEqual([]);
      expect(counts['200']).toBeGreaterThan(0);
      expect(probes.filter((status) => status !== 200)).toEqual([]);
      expect((await gateway.ask()).status).toBe(200);
    },
    DEADLINE_MS,
  );

  it(
    'row 62: one processor that others want, too: served or refused with 503, never anything else, and well again after it',
    async () => {
      const gateway = await start({ through: ['taskset', '-c', '0'] }, { overload: { target_delay: '5ms' } });
      const words = 'the quick brown fox jumps over the lazy dog and counts on. '.repeat(2_000);
      const clients = Clients.start(gateway, {
        clients: 48,
        pauseMs: 5,
        body: (turn) => ({ stream: turn % 2 === 0, messages: [{ role: 'user', content: words }] }),
      });
      await waitUntil(() => clients.answers.filter(({ status }) => status === 503).length >= 20, 90_000);
      expect(await live(gateway)).toBe(200);
      const counts = codesOf(await clients.stop());
      note(JSON.stringify(counts));
      expect(Object.keys(counts).filter((name) => !['200', '503 overloaded'].includes(name))).toEqual([]);
      expect(counts['200']).toBeGreaterThan(0);
      await waitUntil(async () => (await gateway.ask()).status === 200, 60_000);
    },
    DEADLINE_MS,
  );
});
