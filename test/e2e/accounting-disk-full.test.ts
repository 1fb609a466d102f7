import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { APIError } from 'openai';
import { request } from 'undici';
import { DatabaseService } from '../../src/database/database.service.js';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { completionAnswer, ScriptableUpstream } from '../support/scriptable-upstream.js';
import { fillDisk, mountSmallDisk, unmountSmallDisk } from '../support/small-disk.js';

const disk = mountSmallDisk();
const onASmallDisk = disk === null ? describe.skip : describe;

onASmallDisk('a full disk', () => {
  const folder = String(disk);
  const filler = join(folder, 'filler');
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;

  const config = (onFailure: 'closed' | 'open'): TestConfig => ({
    gateway: {
      accounting: { journal_dir: join(folder, 'journal'), on_failure: onFailure },
      audit: { on_failure: onFailure },
    },
    providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
    freeModels: ['only/m'],
  });

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway(config('closed'));
  });
  afterEach(() => rmSync(filler, { force: true }));
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
    unmountSmallDisk(folder);
  });

  const ask = () => {
    upstream.script(completionAnswer('hello'));
    return gateway
      .openai()
      .chat.completions.create({ model: 'alias', messages: [{ role: 'user', content: 'hi' }] })
      .then(
        () => 200,
        (error: unknown) => (error instanceof APIError ? error : Promise.reject(error)),
      );
  };

  /** Enough to use up what is left of the file that is being written. */
  async function askUntilRefused(): Promise<APIError> {
    for (;;) {
      const outcome = await ask();
      if (outcome !== 200) return outcome as APIError;
    }
  }

  const ready = async () => (await request(`${gateway.url}/aegis/v1/health/ready`)).statusCode;

  async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
    for (const deadline = performance.now() + 10_000; !(await condition()); await sleep(50)) {
      if (performance.now() > deadline) throw new Error('it did not come to that');
    }
  }

  it('refuses requests before anything is sent, is not ready, loses nothing that was sent, and recovers by itself', async () => {
    expect(await ask()).toBe(200);
    fillDisk(folder);
    const refusal = await askUntilRefused();
    expect(refusal).toMatchObject({ status: 503, code: 'dependency_unavailable' });
    expect(refusal.headers?.get('retry-after')).toBe('5');
    expect(await ready()).toBe(503);
    const sent = upstream.requests.length;
    expect(await ask()).toMatchObject({ status: 503 });
    expect(upstream.requests).toHaveLength(sent);

    rmSync(filler);
    await waitUntil(async () => (await ready()) === 200);
    expect(await ask()).toBe(200);
    const database = gateway.gateway.app.get(DatabaseService, { strict: false });
    await waitUntil(async () => {
      const rows: { attempts: number }[] = await database.run((manager) =>
        manager.query('SELECT count(*)::integer AS attempts FROM usage_attempt'),
      );
      return rows[0]?.attempts === upstream.requests.length;
    });
    // What was sent is in the audit, and so is what was refused, or that there was no room for it.
    const count = async (condition: string): Promise<number> => {
      const rows: { count: number }[] = await database.run((manager) =>
        manager.query(`SELECT count(*)::integer AS count FROM audit_record WHERE ${condition}`),
      );
      return rows[0]?.count ?? 0;
    };
    await waitUntil(async () => (await count('record LIKE \'%"decision":"allow"%\'')) >= upstream.requests.length);
    await waitUntil(
      async () => (await count("record LIKE '%dependency_unavailable%' OR record LIKE '%not_written%'")) > 0,
    );
  });

  it('serves what it cannot record where it is told to, and counts it', async () => {
    expect(await gateway.reload(config('open'))).toBe('applied');
    fillDisk(folder);
    const failures = async () => {
      const text = await (await request(gateway.metricsUrl)).body.text();
      return Number(/^aegis_journal_failures_total (\S+)$/m.exec(text)?.[1]);
    };
    const before = await failures();
    for (const deadline = performance.now() + 20_000; (await failures()) === before; ) {
      if (performance.now() > deadline) throw new Error('the disk took everything');
      expect(await ask()).toBe(200);
    }
    expect(await ask()).toBe(200);
    expect(await gateway.reload(config('closed'))).toBe('applied');
  });
});
