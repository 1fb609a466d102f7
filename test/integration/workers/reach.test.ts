import { Pool } from 'undici';
import { describeWithRedis, startRedis, type TestRedis } from '../../support/redis.js';
import { WorkerGateway } from '../../support/worker-gateway.js';
import { waitUntil } from '../auth/replica.js';

const WORKERS = 3;
/** Starting processes takes its time where others want the machine, too. */
const DEADLINE_MS = 90_000;
/** Many times as many as workers: connections that stay open keep the worker they came to. */
const CONNECTIONS = 30;

describeWithRedis('what changes while several workers serve', () => {
  let redis: TestRedis;
  let gateway: WorkerGateway;
  let pool: Pool;

  beforeAll(async () => {
    redis = await startRedis();
    gateway = await WorkerGateway.start({ workers: WORKERS, redisUrl: redis.url });
    pool = new Pool(gateway.url, { connections: CONNECTIONS, pipelining: 1 });
  }, DEADLINE_MS);
  afterAll(async () => {
    await pool.destroy();
    await gateway.close();
    await redis.close();
  });

  /** The statuses of one request on each connection, which all are busy at once. */
  const askAll = async (body: object = {}, key = gateway.key): Promise<Set<number>> => {
    const answers = await gateway.askMany(CONNECTIONS, body, { key, dispatcher: pool });
    return new Set(answers.map(({ status }) => status));
  };

  it(
    'a key that is revoked: no worker takes it any more, on connections old and new',
    async () => {
      const key = await gateway.mint();
      expect(await askAll({}, key)).toEqual(new Set([200]));
      for (let number = 1; number <= WORKERS; number++) {
        await waitUntil(() => gateway.entries('request', number).length > 0);
      }
      const [record] = await gateway.operator.administration.find(key);
      if (!record) throw new Error('the key is gone');
      await gateway.operator.administration.revoke(record, null);
      const tookMs = await waitUntil(async () => !(await askAll({}, key)).has(200));
      // The bus, not the end of what each keeps in memory (auth.cache_ttl, 10 s).
      expect(tookMs).toBeLessThan(8_000);
      for (let turn = 0; turn < 3; turn++) expect(await askAll({}, key)).toEqual(new Set([401]));
      expect(new Set((await gateway.askMany(30, {}, { key })).map(({ status }) => status))).toEqual(new Set([401]));
    },
    DEADLINE_MS,
  );

  it.each(['its files', 'SIGHUP'])(
    'a configuration that is new, told by %s: no worker serves the old one',
    async (how) => {
      const [before, after] = how === 'SIGHUP' ? ['second', 'third'] : ['alias', 'second'];
      expect(await askAll({ model: before })).toEqual(new Set([200]));
      gateway.writeConfig([after]);
      if (how === 'SIGHUP') gateway.process.child.kill('SIGHUP');
      await waitUntil(async () => {
        const statuses = await askAll({ model: after });
        return statuses.size === 1 && statuses.has(200);
      });
      for (let turn = 0; turn < 3; turn++) {
        expect(await askAll({ model: before })).toEqual(new Set([404]));
        expect(await askAll({ model: after })).toEqual(new Set([200]));
      }
      expect(gateway.workerPids()).toHaveLength(WORKERS);
    },
  );

  it(
    'limits hold over all workers through Redis',
    async () => {
      const key = await gateway.mint({ rpmLimit: 10 });
      const answers = await gateway.askMany(60, { model: 'third' }, { key });
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    },
    DEADLINE_MS,
  );
});
