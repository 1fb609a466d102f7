import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { request } from 'undici';
import { stringify } from 'yaml';
import { runMigrations } from '../../../src/database/migrate.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { startOwnPostgres, type TestServer } from '../../support/postgres.js';
import { signalFamily } from '../../support/process-family.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { completionAnswer, ScriptableUpstream, streamAnswer } from '../../support/scriptable-upstream.js';
import { buildOrder, PEPPER, startReplica } from '../auth/replica.js';

interface Row {
  readonly request_id: string;
  readonly ending: string;
  readonly code: string | null;
  readonly prompt_tokens: string | null;
  readonly attempts: number;
}

const WORKERS = 8;
const ROUNDS = 4;
const ROUND_MS = 1_500;

/** Gateways on one journal folder that are killed one after the other, while PostgreSQL is frozen half of the time. */
describe('usage of gateways that are killed under load', () => {
  let server: TestServer;
  let redis: TestRedis;
  let upstream: ScriptableUpstream;
  let folder: string;
  let key: string;
  const gateways: { process: GatewayProcess; url: string }[] = [];

  beforeAll(async () => {
    [server, redis, upstream] = await Promise.all([startOwnPostgres(), startRedis(), ScriptableUpstream.start()]);
    await runMigrations(server.url);
    upstream.answerWith((received) => ({
      ...((received.json() as { stream?: boolean }).stream ? streamAnswer(['a', 'b']) : completionAnswer('hello')),
      delayMs: 20,
    }));
    folder = mkdtempSync(join(tmpdir(), 'aegis-killed-'));
    mkdirSync(join(folder, 'config'));
    writeConfig();
    const operator = await startReplica({ databaseUrl: server.url, redisUrl: redis.url });
    const order = buildOrder({
      allowedModels: null,
      rpmLimit: null,
      tpmLimit: null,
      maxParallelRequests: null,
      budgetNanoUsd: null,
      budgetWindow: null,
    });
    ({ key } = await operator.administration.mint('test', order));
    await operator.close();
  });
  afterAll(async () => {
    for (const { process } of gateways) {
      process.child.kill('SIGKILL');
      await process.exited;
    }
    signalFamily(server.processId, 'SIGCONT');
    await server.remove();
    await redis.close();
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function writeConfig(): void {
    const target = { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' };
    const files = {
      'gateway.yaml': {
        server: { host: '127.0.0.1', port: 0 },
        telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' },
        database: { url: server.url },
        redis: { url: redis.url },
        auth: { pepper: PEPPER },
        accounting: { journal_dir: join(folder, 'journal') },
        audit: { checkpoint_interval: '300ms' },
      },
      'providers.yaml': {
        providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
      },
      'models.yaml': { models: { alias: { primary: target } } },
      'pricing.yaml': { version: 'test', prices: [{ provider: 'only', model: 'm', input: '1', output: '2' }] },
    };
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(folder, 'config', name), stringify(content));
    copyFileSync(join(process.cwd(), 'config', 'secret-rules.yaml'), join(folder, 'config', 'secret-rules.yaml'));
  }

  async function startGateway(): Promise<void> {
    const started = spawnGateway({ AEGIS_CONFIG_DIR: join(folder, 'config') });
    const { url } = await started.logged('gateway is listening');
    gateways.push({ process: started, url: String(url) });
  }

  function runCli(...parameters: string[]): Record<string, unknown> {
    const command = join(process.cwd(), 'dist', 'src', 'cli', 'main.js');
    const environment = {
      PATH: process.env.PATH ?? '',
      AEGIS_CONFIG_DIR: join(folder, 'config'),
      AEGIS_DATA_DIR: join(folder, 'config', 'data'),
    };
    const { status, stdout } = spawnSync(process.execPath, [command, ...parameters, '--json'], {
      env: environment,
      encoding: 'utf8',
    });
    return { status, ...(JSON.parse(stdout) as object) };
  }

  async function readRows(): Promise<Row[]> {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      const { rows } = await client.query<Row>(
        `SELECT *, (SELECT count(*)::integer FROM usage_attempt WHERE usage_request_id = id) AS attempts FROM usage_request`,
      );
      return rows;
    } finally {
      await client.end();
    }
  }

  async function readDecisions(): Promise<{ request_id: string; decision: string }[]> {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      const { rows } = await client.query<{ record: string }>(
        "SELECT record FROM audit_record WHERE type = 'request.decided' AND request_id IS NOT NULL",
      );
      return rows.map(({ record }) => JSON.parse(record) as { request_id: string; decision: string });
    } finally {
      await client.end();
    }
  }

  it('is in the ledger once for each request that reached the provider, whole for each that was answered, and in an audit that verifies', async () => {
    await Promise.all([startGateway(), startGateway()]);
    const answered: string[] = [];
    let sent = 0;
    let isOver = false;
    const work = async (): Promise<void> => {
      while (!isOver) {
        const requestId = `request-${++sent}`;
        const gateway = gateways[sent % gateways.length];
        if (!gateway) continue;
        try {
          const answer = await request(`${gateway.url}/v1/chat/completions`, {
            method: 'POST',
            headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': requestId },
            body: JSON.stringify({
              model: 'alias',
              stream: sent % 2 === 0,
              messages: [{ role: 'user', content: requestId }],
            }),
          });
          const text = await answer.body.text();
          const isWhole = text.startsWith('data:') ? text.includes('[DONE]') : text.includes('"choices"');
          if (answer.statusCode === 200 && isWhole) answered.push(requestId);
        } catch {
          await sleep(20);
        }
      }
    };
    const load = Promise.all(Array.from({ length: WORKERS }, work));
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(ROUND_MS);
      if (round === 1) signalFamily(server.processId, 'SIGSTOP');
      if (round === 3) signalFamily(server.processId, 'SIGCONT');
      const victim = gateways.shift();
      victim?.process.child.kill('SIGKILL');
      await victim?.process.exited;
      await startGateway();
    }
    isOver = true;
    await load;
    for (const { process } of gateways.splice(0)) {
      process.child.kill('SIGKILL');
      await process.exited;
    }
    // One that is let finish: it takes over what all the others have left.
    await startGateway();
    const [last] = gateways;
    const before = performance.now();
    for (;;) {
      const rows = await readRows();
      await sleep(500);
      if ((await readRows()).length === rows.length && performance.now() - before > 3_000) break;
    }
    expect(runCli('reconcile')).toMatchObject({ status: 0, agrees: true, missingCount: 0, differingCount: 0 });
    last?.process.child.kill('SIGTERM');
    expect(await last?.process.exited).toBe(0);
    gateways.length = 0;
    const audit = runCli('audit', 'verify');
    expect(audit).toMatchObject({ status: 0, valid: true, unsealed: 0 });
    expect(audit.chains).toBe(ROUNDS + 3);

    const rows = await readRows();
    const byId = new Map(rows.map((row) => [row.request_id, row]));
    const reached = upstream.requests.map(
      (received) => (received.json() as { messages: { content: string }[] }).messages[0]?.content ?? '',
    );
    expect(rows).toHaveLength(byId.size);
    expect(reached.filter((requestId) => !byId.has(requestId))).toEqual([]);
    expect(answered.length).toBeGreaterThan(100);
    expect(answered.filter((requestId) => byId.get(requestId)?.ending !== 'complete')).toEqual([]);
    expect(answered.filter((requestId) => byId.get(requestId)?.prompt_tokens !== '9')).toEqual([]);
    const died = rows.filter(({ code }) => code === 'gateway_died');
    expect(died.length).toBeGreaterThan(0);
    // Written down and not sent is all that may stand in the ledger beside what the provider has seen.
    const attempts = rows.reduce((sum, row) => sum + row.attempts, 0);
    const neverSent = died.filter(({ request_id }) => !reached.includes(request_id)).length;
    expect(attempts - neverSent).toBe(reached.length);
    expect(readdirSync(join(folder, 'journal'))).toEqual([]);

    const decided = await readDecisions();
    const allowed = decided.filter(({ decision }) => decision === 'allow').map(({ request_id }) => request_id);
    expect(new Set(allowed).size).toBe(allowed.length);
    const known = new Set(allowed);
    expect(reached.filter((requestId) => !known.has(requestId))).toEqual([]);
  }, 120_000);
});
