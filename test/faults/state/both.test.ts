import { waitUntil } from '../../integration/auth/replica.js';
import { findFreePort } from '../../support/ports.js';
import { describeWithOwnRedis, startOwnRedis, type TestRedis } from '../../support/redis.js';
import { Cleanup } from '../support/cleanup.js';
import { countReplies } from '../support/load.js';
import { note } from '../support/notes.js';
import { PostgresServer } from '../support/postgres-server.js';
import { probe, REQUEST_NANO_USD, type Reply, StateFleet } from '../support/state-fleet.js';

const REQUESTS = 40;

describeWithOwnRedis('Redis and PostgreSQL fail together', () => {
  let postgres: PostgresServer;
  let redis: TestRedis;
  let port: number;
  let fleet: StateFleet;
  const cleanup = new Cleanup();
  beforeAll(async () => {
    postgres = await PostgresServer.start();
    cleanup.add(() => postgres.remove());
    port = await findFreePort();
    redis = await startOwnRedis(port);
    cleanup.add(() => redis.close());
    fleet = await StateFleet.start({ databaseUrl: postgres.url, redisUrl: redis.url, members: 2 });
    cleanup.add(() => fleet.close());
  }, 90_000);
  afterAll(() => cleanup.run());

  it('row 40: known keys are served and limited, unknown ones get 503, and afterwards each answer has its row', async () => {
    const [first, second] = fleet.members;
    if (!first || !second) throw new Error('two gateways were to be started');
    const { key, record } = await fleet.mint({ budgetNanoUsd: 1_000n * REQUEST_NANO_USD, budgetWindow: 'day' });
    const stranger = await fleet.mint();
    for (const member of fleet.members) expect(await fleet.ask(member, key)).toMatchObject({ status: 200 });
    await Promise.all([redis.close(), postgres.crash()]);

    const answers: Reply[] = [];
    for (let sent = 0; sent < REQUESTS; sent += 1) answers.push(await fleet.ask(sent % 2 === 0 ? first : second, key));
    expect(countReplies(answers)).toEqual({ '200': REQUESTS });
    expect(await fleet.ask(first, stranger.key)).toMatchObject({ status: 503, code: 'dependency_unavailable' });
    expect(await probe(first, 'live')).toBe(200);

    redis = await startOwnRedis(port);
    cleanup.add(() => redis.close());
    await postgres.restart();
    const rows = (): Promise<{ cost: string }[]> =>
      postgres.query('SELECT cost_nano_usd AS cost FROM usage_request WHERE key_id = $1', [record.principal.keyId]);
    const tookMs = await waitUntil(async () => (await rows()).length === REQUESTS + 2, 30_000);
    await waitUntil(async () => (await fleet.ask(first, stranger.key)).status === 200, 30_000);
    const charged = (await rows()).reduce((sum, { cost }) => sum + BigInt(cost), 0n);
    expect(charged).toBe(BigInt(REQUESTS + 2) * REQUEST_NANO_USD);
    note(
      `${REQUESTS} of ${REQUESTS} served with both away; all in the ledger ${Math.round(tookMs)} ms after their return`,
    );
  }, 120_000);
});
