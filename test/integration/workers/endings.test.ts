import { brokenStreamAnswer } from '../../support/scriptable-upstream.js';
import { type Answer, kill, WorkerGateway } from '../../support/worker-gateway.js';
import { waitUntil } from '../auth/replica.js';

const WORKERS = 2;
/** Starting and ending processes takes its time where others want the machine, too. */
const DEADLINE_MS = 90_000;
const isWhole = ({ text }: Answer): boolean => text.endsWith('data: [DONE]\n\n');

describe('how several workers end', () => {
  let gateway: WorkerGateway;

  beforeEach(async () => {
    gateway = await WorkerGateway.start({ workers: WORKERS });
  }, DEADLINE_MS);
  afterEach(() => gateway.close());

  const restartWith = async (server: Record<string, unknown>): Promise<void> => {
    gateway.writeConfig(['alias'], { server });
    gateway.process.child.kill('SIGTERM');
    await gateway.process.exited;
    await gateway.spawn();
  };

  /** What one request after the other is answered, each on a connection of its own; nobody has that model. */
  const statusesFor = async (durationMs: number): Promise<Set<number>> => {
    const statuses = new Set<number>();
    for (const endMs = performance.now() + durationMs; performance.now() < endMs; ) {
      statuses.add((await gateway.ask({ model: 'nobody' })).status);
    }
    return statuses;
  };

  /** Streams that never go on by themselves. */
  const openStalled = async (count: number): Promise<() => Promise<Answer[]>> => {
    gateway.upstream.script(brokenStreamAnswer(['a'], 'stall'));
    const streams = gateway.askMany(count, { stream: true });
    await waitUntil(async () => (await gateway.metric('aegis_streams_open')) === count);
    return () => streams;
  };

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: streams of every worker end whole, then all is gone, with 0',
    async (signal) => {
      const finish = await gateway.holdStreams(9);
      gateway.process.child.kill(signal);
      await waitUntil(() => gateway.entries('worker is ending').length === WORKERS);
      expect((await gateway.ask()).status).toBe(503);
      expect((await finish()).filter(isWhole)).toHaveLength(9);
      expect(await gateway.process.exited).toBe(0);
      expect(gateway.survivors()).toEqual([]);
      expect(gateway.entries('gateway is listening')).toHaveLength(1);
    },
    DEADLINE_MS,
  );

  it(
    'a signal that reaches every process, as from a terminal, ends them as one that reaches the first',
    async () => {
      const finish = await gateway.holdStreams(6);
      for (const pid of [...gateway.workerPids(), gateway.process.child.pid]) kill(pid, 'SIGINT');
      expect((await finish()).filter(isWhole)).toHaveLength(6);
      expect(await gateway.process.exited).toBe(0);
      expect(gateway.survivors()).toEqual([]);
    },
    DEADLINE_MS,
  );

  it(
    'and serves on for the grace, whichever process it reaches first',
    async () => {
      await restartWith({ shutdown_grace: '2s' });
      for (const pid of [...gateway.workerPids(), gateway.process.child.pid]) kill(pid, 'SIGTERM');
      expect(await statusesFor(1_200)).toEqual(new Set([404]));
      expect(await gateway.process.exited).toBe(0);
    },
    DEADLINE_MS,
  );

  it(
    'a second signal ends all at once',
    async () => {
      const finish = await openStalled(6);
      gateway.process.child.kill('SIGTERM');
      await gateway.process.logged('shutting down');
      gateway.process.child.kill('SIGTERM');
      expect(await gateway.process.exited).toBe(1);
      await waitUntil(() => gateway.survivors().length === 0, 2_000);
      expect((await finish()).filter(isWhole)).toEqual([]);
    },
    DEADLINE_MS,
  );

  it(
    'a stream that takes too long is cut with an error, and the exit code is still 0',
    async () => {
      await restartWith({ graceful_shutdown: '300ms' });
      const finish = await openStalled(3);
      gateway.process.child.kill('SIGTERM');
      const answers = await finish();
      expect(answers.filter(({ text }) => text.includes('"shutting_down"'))).toHaveLength(3);
      expect(await gateway.process.exited).toBe(0);
    },
    DEADLINE_MS,
  );

  it(
    'no worker outlives the primary for longer than its streams take',
    async () => {
      const finish = await gateway.holdStreams(9);
      gateway.process.child.kill('SIGKILL');
      await waitUntil(async () => (await gateway.ask()).status === 0);
      expect(gateway.survivors()).toHaveLength(WORKERS);
      expect((await finish()).filter(isWhole)).toHaveLength(9);
      await waitUntil(() => gateway.survivors().length === 0);
      const { count } = (await gateway.operator.database.run((manager) =>
        manager.query("SELECT count(*)::integer FROM usage_request WHERE ending = 'complete'").then(([row]) => row),
      )) as { count: number };
      expect(count).toBe(9);
    },
    DEADLINE_MS,
  );

  it(
    'a worker that is told to end by itself does so, refuses nobody whom another can serve, and is replaced',
    async () => {
      await restartWith({ shutdown_grace: '1s' });
      const finish = await gateway.holdStreams(6);
      const [one] = gateway.workerPids();
      kill(one, 'SIGTERM');
      await waitUntil(() => gateway.entries('worker is ending').length === 1);
      expect(await statusesFor(2_000)).toEqual(new Set([404]));
      expect((await finish()).filter(isWhole)).toHaveLength(6);
      await waitUntil(() => !gateway.survivors().includes(one ?? 0));
      await gateway.untilServing(WORKERS);
      expect(gateway.entries('worker ended; another takes its place')).toMatchObject([{ code: 0, signal: null }]);
    },
    DEADLINE_MS,
  );
});
