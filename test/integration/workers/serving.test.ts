import { METRICS } from '../../../src/telemetry/metrics.js';
import { completionAnswer } from '../../support/scriptable-upstream.js';
import { countAnnouncements, kill, WorkerGateway } from '../../support/worker-gateway.js';
import { waitUntil } from '../auth/replica.js';

const WORKERS = 3;
/** Starting and ending processes takes its time where others want the machine, too. */
const DEADLINE_MS = 90_000;

/** Three workers behind one port, without Redis. */
describe('several workers', () => {
  let gateway: WorkerGateway;

  beforeAll(async () => {
    gateway = await WorkerGateway.start({ workers: WORKERS });
  }, DEADLINE_MS);
  afterAll(() => gateway.close());
  beforeEach(async () => {
    gateway.upstream.script(completionAnswer('hello'));
    await gateway.untilServing(WORKERS);
  });

  const countServed = (): Promise<number> => gateway.metric('aegis_requests_total', 'model="alias"', 'status="200"');

  it(
    'take turns, say once that they listen, and count together what was asked of them',
    async () => {
      const answers = await gateway.askMany(60);
      expect(answers.every(({ status }) => status === 200)).toBe(true);
      expect((await gateway.ask({ model: 'nobody-has-this' })).status).toBe(404);
      for (let number = 1; number <= WORKERS; number++) {
        await waitUntil(() => gateway.entries('request', number).length > 0);
      }
      expect(gateway.entries('gateway is listening')).toMatchObject([{ url: gateway.url, workers: WORKERS }]);
      await waitUntil(async () => (await countServed()) === 60);
      expect(await gateway.metric('aegis_requests_total', 'status="404"')).toBe(1);
      expect(await gateway.metric('aegis_request_duration_seconds_count', 'model="alias"')).toBe(60);
      expect(await gateway.metric('aegis_request_duration_seconds_bucket', 'model="alias"', 'le="+Inf"')).toBe(60);
      expect(await gateway.metric('aegis_upstream_attempts_total', 'outcome="success"')).toBe(60);
      expect(await gateway.metric('aegis_tokens_total', 'direction="input"')).toBe(60 * 9);
      // What is asked for in vain has its record, too.
      await waitUntil(async () => (await gateway.metric('aegis_ledger_shipped_total')) === 61);
      const { usage } = (await gateway.operator.database.run((manager) =>
        manager.query('SELECT count(*)::integer AS usage FROM usage_request').then(([row]) => row),
      )) as { usage: number };
      expect(usage).toBe(61);
    },
    DEADLINE_MS,
  );

  it(
    'have every metric once, each as what it is of all of them',
    async () => {
      const counts = await countAnnouncements(gateway.metricsUrl);
      expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
      expect(Object.values(METRICS).filter(({ name }) => !counts.has(name))).toEqual([]);
      const samples = await gateway.scrape();
      expect(samples.get('aegis_workers')).toBe(WORKERS);
      expect(samples.get('aegis_journal_limit_bytes')).toBe(2 ** 30);
      expect(samples.get('aegis_journal_writable')).toBe(1);
      expect(samples.get('aegis_dependency_state{dependency="database",state="healthy"}')).toBe(1);
      expect([...samples].filter(([sample]) => sample.startsWith('aegis_build_info'))).toMatchObject([
        [expect.anything(), 1],
      ]);
      // The start of the whole, which stays when a worker is replaced.
      const startedAt = samples.get('process_start_time_seconds');
      kill(gateway.workerPids()[0], 'SIGKILL');
      await waitUntil(async () => (await gateway.metric('aegis_worker_exits_total')) === 1);
      await gateway.untilServing(WORKERS);
      expect((await gateway.scrape()).get('process_start_time_seconds')).toBe(startedAt);
    },
    DEADLINE_MS,
  );

  it(
    'have as many requests in flight, and streams open, as all of them together',
    async () => {
      const finish = await gateway.holdStreams(9);
      expect(await gateway.metric('aegis_requests_in_flight')).toBe(9);
      const answers = await finish();
      expect(answers.every(({ text }) => text.endsWith('data: [DONE]\n\n'))).toBe(true);
      await waitUntil(async () => (await gateway.metric('aegis_requests_in_flight')) === 0);
      expect(await gateway.metric('aegis_streams_open')).toBe(0);
    },
    DEADLINE_MS,
  );

  it(
    'hold limits together that Redis is not there to count',
    async () => {
      const [fewKey, narrowKey, poorKey] = await Promise.all([
        gateway.mint({ rpmLimit: 10 }),
        gateway.mint({ maxParallelRequests: 2 }),
        // An answer costs 0.003 USD: three completion tokens at 1,000 USD a million.
        gateway.mint({ budgetNanoUsd: 30_000_000n, budgetWindow: 'month' }),
      ]);
      const few = await gateway.askMany(60, {}, { key: fewKey });
      expect(few.filter(({ status }) => status === 200)).toHaveLength(10);
      expect(few.filter(({ status }) => status === 429)).toHaveLength(50);

      gateway.upstream.script({ ...completionAnswer('hello'), delayMs: 3_000 });
      const narrow = await gateway.askMany(12, {}, { key: narrowKey });
      expect(narrow.filter(({ status }) => status === 200)).toHaveLength(2);
      gateway.upstream.script(completionAnswer('hello'));
      for (let turn = 0; turn < 6; turn++) expect((await gateway.ask({}, { key: narrowKey })).status).toBe(200);

      const spent: number[] = [];
      for (let turn = 0; turn < 15; turn++) spent.push((await gateway.ask({}, { key: poorKey })).status);
      expect(spent).toEqual([...Array(10).fill(200), ...Array(5).fill(402)]);
    },
    DEADLINE_MS,
  );

  it(
    'go on when one is killed: it is replaced, the streams of the others end whole, and no count falls',
    async () => {
      const [served, exits] = [await countServed(), await gateway.metric('aegis_worker_exits_total')];
      const findWhole = (): Record<string, unknown>[] =>
        gateway.entries('request').filter(({ stream, complete }) => stream === true && complete === true);
      const earlier = findWhole().length;
      const finish = await gateway.holdStreams(30);
      const [victim] = gateway.workerPids();
      kill(victim, 'SIGKILL');
      const ended = (): Record<string, unknown>[] => gateway.entries('worker ended; another takes its place');
      await waitUntil(() => ended().length === exits + 1);
      const answers = await finish();
      const whole = answers.filter(({ text }) => text.endsWith('data: [DONE]\n\n'));
      const lost = answers.filter(({ status }) => status === 0);
      expect(whole.length + lost.length).toBe(30);
      expect(Math.min(whole.length, lost.length)).toBeGreaterThan(0);
      await waitUntil(() => findWhole().length === earlier + whole.length);
      const workers = findWhole()
        .slice(earlier)
        .map(({ worker }) => worker);
      expect(workers).not.toContain(ended().at(-1)?.worker);
      await gateway.untilServing(WORKERS);
      expect(gateway.workerPids()).not.toContain(victim);
      expect(gateway.workerPids()).toHaveLength(WORKERS);
      expect(await gateway.metric('aegis_worker_exits_total')).toBe(exits + 1);
      expect(await countServed()).toBe(served + whole.length);
      gateway.upstream.script(completionAnswer('hello'));
      expect((await gateway.askMany(30)).every(({ status }) => status === 200)).toBe(true);
      expect(gateway.process.child.exitCode).toBeNull();
    },
    DEADLINE_MS,
  );

  it(
    'answer a scrape without one that hangs: its counts stay as they were, and that it was missing is counted',
    async () => {
      const served = await countServed();
      await gateway.askMany(30);
      await waitUntil(async () => (await countServed()) === served + 30);
      const missed = await gateway.metric('aegis_worker_scrapes_missed_total');
      const [frozen] = gateway.workerPids();
      kill(frozen, 'SIGSTOP');
      const samples = await gateway.scrape();
      expect(samples.get('aegis_workers')).toBe(WORKERS - 1);
      expect(samples.get('aegis_worker_scrapes_missed_total')).toBe(missed + 1);
      expect(await countServed()).toBe(served + 30);
      kill(frozen, 'SIGCONT');
      await gateway.untilServing(WORKERS);
    },
    DEADLINE_MS,
  );
});
