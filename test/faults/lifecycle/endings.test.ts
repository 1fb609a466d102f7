import { createServer } from 'node:net';
import { Agent, request } from 'undici';
import { waitUntil } from '../../integration/auth/replica.js';
import { brokenStreamAnswer, streamAnswer } from '../../support/scriptable-upstream.js';
import { type Answer, WorkerGateway, type WorkerOptions } from '../../support/worker-gateway.js';
import { Cleanup } from '../support/cleanup.js';
import { Clients, failuresOf, isStreamWhole } from '../support/clients.js';
import { pause } from '../support/fault-site.js';
import { note } from '../support/notes.js';

const DEADLINE_MS = 120_000;
const STREAMS = 50;
const WORDS = Array.from({ length: 12 }, (_, index) => `word-${index} `);

describe('a process that is told to end', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function start(server: object, options: WorkerOptions = {}): Promise<WorkerGateway> {
    const gateway = await WorkerGateway.start({ workers: 1, gateway: { server: { ...server } }, ...options });
    cleanup.add(() => gateway.close());
    return gateway;
  }

  const open = async (gateway: WorkerGateway): Promise<Promise<Answer[]>[]> => {
    const streams = gateway.askMany(STREAMS, { stream: true });
    await waitUntil(async () => (await gateway.metric('aegis_streams_open')) === STREAMS);
    return [streams];
  };
  /** How requests stand in the ledger: `{complete: 50}`. */
  const ledger = async (gateway: WorkerGateway, which = 'true'): Promise<Record<string, number>> => {
    const rows = (await gateway.operator.database.run((manager) =>
      manager.query(
        `SELECT ending, count(*)::integer, count(DISTINCT request_id)::integer AS ids FROM usage_request WHERE ${which} GROUP BY 1`,
      ),
    )) as { ending: string; count: number; ids: number }[];
    for (const { count, ids } of rows) expect(count).toBe(ids);
    return Object.fromEntries(rows.map(({ ending, count }) => [ending, count]));
  };
  const probe = async ({ url }: WorkerGateway, name: string): Promise<number> => {
    const answer = await request(`${url}/aegis/v1/health/${name}`);
    await answer.body.dump();
    return answer.statusCode;
  };

  it(
    'row 59: 50 streams of 5 s, 30 s to finish: not ready at once, serves on for the grace, all streams whole and in the ledger, 0',
    async () => {
      const gateway = await start({ shutdown_grace: '1500ms', graceful_shutdown: '30s' });
      const kept = new Agent({ connections: 1 });
      cleanup.add(() => kept.close());
      expect((await gateway.ask({}, { dispatcher: kept })).status).toBe(200);
      gateway.upstream.script({ ...streamAnswer(WORDS), pieceDelayMs: 350 });
      const [streams] = await open(gateway);
      await pause(1_000);
      gateway.process.child.kill('SIGTERM');
      await gateway.process.logged('shutting down');
      expect(await probe(gateway, 'ready')).toBe(503);
      expect(await probe(gateway, 'live')).toBe(200);
      // Whoever keeps a connection to this process is asked to make another, which goes to one that stays.
      const models = await request(`${gateway.url}/v1/models`, {
        headers: { authorization: `Bearer ${gateway.key}` },
        dispatcher: kept,
      });
      await models.body.dump();
      expect(models.statusCode).toBe(200);
      expect(models.headers.connection).toBe('close');
      await waitUntil(async () => {
        const late = await request(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${gateway.key}` } });
        return (await late.body.text()).includes('shutting_down');
      });
      const ended = (await streams) ?? [];
      expect(ended.filter(isStreamWhole)).toHaveLength(STREAMS);
      expect(await gateway.process.exited).toBe(0);
      const found = await ledger(gateway, 'stream');
      note(`ledger: ${JSON.stringify(found)}`);
      expect(found).toEqual({ complete: STREAMS });
    },
    DEADLINE_MS,
  );

  it(
    'row 59: 50 streams that never end, 3 s to finish: each ends with one error event, all are in the ledger, 0',
    async () => {
      const gateway = await start({ graceful_shutdown: '3s' });
      gateway.upstream.script(brokenStreamAnswer(['a'], 'stall'));
      const [streams] = await open(gateway);
      const toldAtMs = performance.now();
      gateway.process.child.kill('SIGTERM');
      const ended = (await streams) ?? [];
      const tookMs = performance.now() - toldAtMs;
      expect(ended.filter(({ text }) => /"code":"shutting_down"[^\n]*\n\n$/.test(text))).toHaveLength(STREAMS);
      expect(ended.filter(isStreamWhole)).toEqual([]);
      expect(tookMs).toBeGreaterThan(2_900);
      expect(await gateway.process.exited).toBe(0);
      const found = await ledger(gateway);
      note(`cut after ${Math.round(tookMs)} ms; ledger: ${JSON.stringify(found)}`);
      expect(Object.values(found)).toEqual([STREAMS]);
      expect(found.complete).toBeUndefined();
    },
    DEADLINE_MS,
  );

  it(
    'row 59: a second SIGTERM: ends at once with 1, and the next start brings what it had recorded into the ledger',
    async () => {
      const gateway = await start({ graceful_shutdown: '30s' });
      for (let turn = 0; turn < 5; turn += 1) expect((await gateway.ask()).status).toBe(200);
      gateway.upstream.script(brokenStreamAnswer(['a'], 'stall'));
      const [streams] = await open(gateway);
      gateway.process.child.kill('SIGTERM');
      await gateway.process.logged('shutting down');
      gateway.process.child.kill('SIGTERM');
      expect(await gateway.process.exited).toBe(1);
      expect(((await streams) ?? []).filter(isStreamWhole)).toEqual([]);
      await gateway.spawn();
      const total = async (): Promise<number> =>
        Object.values(await ledger(gateway)).reduce((sum, count) => sum + count, 0);
      await waitUntil(async () => (await total()) === STREAMS + 5, 30_000);
      note(`ledger: ${JSON.stringify(await ledger(gateway))}`);
      expect((await ledger(gateway)).complete).toBe(5);
    },
    DEADLINE_MS,
  );

  it.each([1, 2])(
    'row 59: SIGTERM while it starts, %i of it: ends without having served, and with 0',
    async (workers) => {
      // What it waits for first: a database that takes connections and says nothing.
      let connections = 0;
      const silent = createServer(() => (connections += 1));
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      cleanup.add(() => silent.close());
      const { port } = silent.address() as { port: number };
      const gateway = await start({ shutdown_grace: '60s' }, { workers, isStarted: false });
      gateway.writeConfig(['alias'], {
        server: { shutdown_grace: workers > 1 ? '0s' : '60s' },
        database: { url: `postgres://nobody@127.0.0.1:${port}/nothing` },
      });
      const process = gateway.begin();
      await waitUntil(() => connections > 0, 30_000);
      process.child.kill('SIGTERM');
      expect(await process.exited).toBe(0);
      expect(process.output()).not.toContain('gateway is listening');
    },
    DEADLINE_MS,
  );

  it(
    'row 59: SIGTERM at any moment of a start: it always ends, never by a fault, and the next start serves',
    async () => {
      const gateway = await start({});
      gateway.process.child.kill('SIGTERM');
      expect(await gateway.process.exited).toBe(0);
      const codes: (number | null)[] = [];
      for (const afterMs of [0, 80, 160, 240, 400, 600, 900]) {
        const process = gateway.begin();
        await pause(afterMs);
        process.child.kill('SIGTERM');
        codes.push(await process.exited);
      }
      note(`exit codes ${codes.join(', ')} (null: ended by the signal, before any of our code ran)`);
      expect(codes.filter((code) => code !== 0 && code !== null)).toEqual([]);
      await gateway.spawn();
      expect((await gateway.ask()).status).toBe(200);
    },
    DEADLINE_MS,
  );

  it(
    'row 59: under load by clients that keep their connections: during the grace all are served and leave, nobody is cut',
    async () => {
      const gateway = await start({ shutdown_grace: '2s', graceful_shutdown: '10s' });
      const clients = Clients.start(gateway, { clients: 6, pauseMs: 5 });
      await clients.answered(30);
      gateway.process.child.kill('SIGTERM');
      await clients.answered(30);
      expect(await gateway.process.exited).toBe(0);
      const answers = await clients.stop();
      // After the grace they are refused, and after the end nobody listens: never anything between.
      const failed = failuresOf(answers);
      const unexplained = failed.filter(
        ({ status, text }) => !(status === 503 && text.includes('shutting_down')) && !(status === 0 && text === ''),
      );
      note(`${answers.length - failed.length} served`);
      expect(unexplained).toEqual([]);
    },
    DEADLINE_MS,
  );
});
