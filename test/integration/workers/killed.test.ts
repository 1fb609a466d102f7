import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { completionAnswer, streamAnswer } from '../../support/scriptable-upstream.js';
import { kill, WorkerGateway } from '../../support/worker-gateway.js';
import { waitUntil } from '../auth/replica.js';

interface Row {
  readonly request_id: string;
  readonly ending: string;
  readonly code: string | null;
  readonly prompt_tokens: string | null;
  readonly attempts: number;
}

const WORKERS = 3;
const CLIENTS = 8;
const KILLS = 5;
const ROUND_MS = 1_500;

/** Workers on one journal folder that are killed one after the other; the others and their successors take over. */
describe('usage and audit of workers that are killed under load', () => {
  let gateway: WorkerGateway;

  beforeAll(async () => {
    gateway = await WorkerGateway.start({ workers: WORKERS, gateway: { audit: { checkpoint_interval: '300ms' } } });
    gateway.upstream.answerWith((received) => ({
      ...((received.json() as { stream?: boolean }).stream ? streamAnswer(['a', 'b']) : completionAnswer('hello')),
      delayMs: 20,
    }));
  }, 90_000);
  afterAll(() => gateway.close());

  const query = <T>(statement: string): Promise<T[]> =>
    gateway.operator.database.run((manager) => manager.query(statement));

  const readRows = (): Promise<Row[]> =>
    query(
      'SELECT *, (SELECT count(*)::integer FROM usage_attempt WHERE usage_request_id = id) AS attempts FROM usage_request',
    );

  function runCli(...parameters: string[]): Record<string, unknown> {
    const command = join(process.cwd(), 'dist', 'src', 'cli', 'main.js');
    const { configDirectory } = gateway;
    const { status, stdout } = spawnSync(process.execPath, [command, ...parameters, '--json'], {
      env: {
        PATH: process.env.PATH ?? '',
        AEGIS_CONFIG_DIR: configDirectory,
        AEGIS_DATA_DIR: join(configDirectory, 'data'),
      },
      encoding: 'utf8',
    });
    return { status, ...(JSON.parse(stdout) as object) };
  }

  it('are whole: each request once in the ledger, each decision once, and chains that verify', async () => {
    const answered: string[] = [];
    let sent = 0;
    let isOver = false;
    const load = Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        while (!isOver) {
          const id = `request-${++sent}`;
          const { status, text } = await gateway.ask({ stream: sent % 2 === 0 }, { id });
          if (status !== 200) await sleep(5);
          else if (text.includes('"hello"') || text.endsWith('data: [DONE]\n\n')) answered.push(id);
        }
      }),
    );
    for (let round = 0; round < KILLS; round++) {
      await gateway.untilServing(WORKERS);
      await sleep(ROUND_MS);
      const pids = gateway.workerPids();
      kill(pids[round % pids.length], 'SIGKILL');
    }
    await gateway.untilServing(WORKERS);
    isOver = true;
    // Nobody waits for ever, not even who was on the way to a worker that died.
    await load;

    const before = performance.now();
    for (let count = -1; ; ) {
      const rows = await readRows();
      if (rows.length === count && performance.now() - before > 8_000) break;
      count = rows.length;
      await sleep(500);
    }
    expect(runCli('reconcile')).toMatchObject({ status: 0, agrees: true, missingCount: 0, differingCount: 0 });
    gateway.process.child.kill('SIGTERM');
    expect(await gateway.process.exited).toBe(0);
    const audit = runCli('audit', 'verify');
    expect(audit).toMatchObject({ status: 0, valid: true, unsealed: 0 });
    expect(audit.chains).toBe(WORKERS + KILLS);
    expect(readdirSync(join(gateway.folder, 'journal'))).toEqual([]);

    const rows = await readRows();
    const byId = new Map(rows.map((row) => [row.request_id, row]));
    const reached = gateway.upstream.requests.map(
      (received) => (received.json() as { messages: { content: string }[] }).messages[0]?.content ?? '',
    );
    expect(rows).toHaveLength(byId.size);
    expect(reached.filter((id) => !byId.has(id))).toEqual([]);
    expect(answered.length).toBeGreaterThan(100);
    expect(answered.filter((id) => byId.get(id)?.ending !== 'complete')).toEqual([]);
    expect(answered.filter((id) => byId.get(id)?.prompt_tokens !== '9')).toEqual([]);
    const died = rows.filter(({ code }) => code === 'gateway_died');
    expect(died.length).toBeGreaterThan(0);
    const attempts = rows.reduce((sum, row) => sum + row.attempts, 0);
    const neverSent = died.filter(({ request_id: id }) => !reached.includes(id)).length;
    expect(attempts - neverSent).toBe(reached.length);

    const records = await query<{ record: string }>(
      "SELECT record FROM audit_record WHERE type = 'request.decided' AND request_id IS NOT NULL",
    );
    const allowed = records
      .map(({ record }) => JSON.parse(record) as { request_id: string; decision: string })
      .flatMap(({ request_id: id, decision }) => (decision === 'allow' ? id : []));
    expect(new Set(allowed).size).toBe(allowed.length);
    const known = new Set(allowed);
    expect(reached.filter((id) => !known.has(id))).toEqual([]);
  }, 240_000);

  it('are taken over by the other workers, without a start: the primary goes on', async () => {
    await gateway.spawn();
    await gateway.askMany(30);
    const [victim] = gateway.workerPids();
    kill(victim, 'SIGKILL');
    await gateway.untilServing(WORKERS);
    await waitUntil(async () => (await readRows()).filter(({ request_id: id }) => /^r\d+$/.test(id)).length === 30);
    await waitUntil(() => gateway.process.output().includes('Took over'));
  }, 90_000);
});
