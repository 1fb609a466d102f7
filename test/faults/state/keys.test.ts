import { readFile } from 'node:fs/promises';
import { generateApiKey, hashApiKey } from '../../../src/auth/api-key.js';
import { openStream, statusFor } from '../../integration/auth/fleet.js';
import { buildOrder, PEPPER, waitUntil } from '../../integration/auth/replica.js';
import { describeWithOwnRedis, startRedis, type TestRedis } from '../../support/redis.js';
import { brokenStreamAnswer, completionAnswer } from '../../support/scriptable-upstream.js';
import { TcpFaultProxy } from '../../support/tcp-fault-proxy.js';
import { Cleanup } from '../support/cleanup.js';
import { pause } from '../support/fault-site.js';
import { countReplies } from '../support/load.js';
import { note } from '../support/notes.js';
import { PostgresServer } from '../support/postgres-server.js';
import { type Member, StateFleet } from '../support/state-fleet.js';

const TTL_MS = 3_000;
const NEGATIVE_TTL_MS = 2_000;

describeWithOwnRedis('keys of three gateways', () => {
  let postgres: PostgresServer;
  let redis: TestRedis;
  let proxy: TcpFaultProxy;
  let fleet: StateFleet;
  const cleanup = new Cleanup();
  beforeAll(async () => {
    postgres = await PostgresServer.start();
    cleanup.add(() => postgres.remove());
    redis = await startRedis();
    cleanup.add(() => redis.close());
    proxy = await TcpFaultProxy.start(postgres.port);
    cleanup.add(() => proxy.close());
    const databaseUrl = new URL(postgres.url);
    databaseUrl.port = new URL(proxy.url).port;
    fleet = await StateFleet.start({
      databaseUrl: databaseUrl.toString(),
      redisUrl: redis.url,
      operatorUrls: { databaseUrl: postgres.url, redisUrl: redis.url },
      gateway: { auth: { cache_ttl: `${TTL_MS}ms`, negative_ttl: `${NEGATIVE_TTL_MS}ms` } },
    });
    cleanup.add(() => fleet.close());
  }, 90_000);
  afterAll(() => cleanup.run());
  beforeEach(() => {
    fleet.upstream.answerWith((received) =>
      (received.json() as { stream?: boolean }).stream === true
        ? brokenStreamAnswer(['.'], 'stall')
        : completionAnswer('Hello'),
    );
  });

  const statuses = (key: string): Promise<number[]> => Promise.all(fleet.members.map((each) => statusFor(each, key)));
  const untilEverywhere = (key: string, wanted: number): Promise<number> =>
    waitUntil(async () => (await statuses(key)).every((status) => status === wanted));

  it('row 49: revoked while all use it and have a stream open: refused everywhere within a second, streams ended', async () => {
    const tookMs: number[] = [];
    const endedMs: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const { key, record } = await fleet.mint();
      expect(await statuses(key)).toEqual([200, 200, 200]);
      const streams = round < 5 ? await Promise.all(fleet.members.map((member) => openStream(member, key))) : [];
      const startedAtMs = performance.now();
      const revoking = fleet.operator.administration.revoke(record, null);
      await Promise.all([
        revoking,
        untilEverywhere(key, 401).then(() => tookMs.push(performance.now() - startedAtMs)),
        ...streams.map(async ({ ended }) => {
          const { text } = await ended;
          endedMs.push(performance.now() - startedAtMs);
          expect(text).toContain('invalid_api_key');
          expect(text).not.toContain('[DONE]');
        }),
      ]);
    }
    const worst = (figures: number[]): number => Math.round(Math.max(...figures));
    note(`slowest of 60: ${worst(tookMs)} ms; slowest of 15 streams: ${worst(endedMs)} ms`);
    expect(worst(tookMs)).toBeLessThan(1_000);
    expect(worst(endedMs)).toBeLessThan(1_000);
  }, 60_000);

  it('row 49: revoked while Redis is frozen: refused within the time a key is believed, streams ended', async () => {
    const { key, record } = await fleet.mint();
    expect(await statuses(key)).toEqual([200, 200, 200]);
    const streams = await Promise.all(fleet.members.map((member) => openStream(member, key)));
    redis.freeze();
    try {
      const startedAtMs = performance.now();
      await fleet.operator.administration.revoke(record, null);
      await untilEverywhere(key, 401);
      await Promise.all(streams.map(({ ended }) => ended));
      const tookMs = performance.now() - startedAtMs;
      note(`everywhere after ${Math.round(tookMs)} ms, with ${TTL_MS} ms of belief`);
      expect(tookMs).toBeLessThan(TTL_MS + 1_000);
    } finally {
      redis.thaw();
    }
    await waitUntil(() => fleet.operator.redis.isAvailable);
    expect(await statuses(key)).toEqual([401, 401, 401]);
  }, 60_000);

  it('row 49: revoked while a look-up is on its way: what it finds is not believed', async () => {
    const { key, record } = await fleet.mint();
    const before = await lookUps(record.keyHash);
    // PostgreSQL has said that the key is good, and the answer has not arrived.
    proxy.hold();
    const asking = fleet.members.map((member) => statusFor(member, key));
    await waitUntil(async () => (await lookUps(record.keyHash)) >= before + 3);
    await fleet.operator.administration.revoke(record, null);
    // Time for the word to go round.
    await pause(500);
    proxy.release();
    const first = await Promise.all(asking);
    const releasedAtMs = performance.now();
    await untilEverywhere(key, 401);
    const tookMs = performance.now() - releasedAtMs;
    note(`${first.join(', ')} for those under way, and no other answer after that`);
    expect(first).toEqual([401, 401, 401]);
    expect(tookMs).toBeLessThan(1_000);
  }, 60_000);

  it('row 49: tried before it is made: it is good within a few seconds', async () => {
    const { key, prefix } = generateApiKey('test');
    expect(await statuses(key)).toEqual([401, 401, 401]);
    await fleet.operator.keys.create(buildOrder({ keyHash: hashApiKey(key, PEPPER), keyPrefix: prefix }));
    const tookMs = await untilEverywhere(key, 200);
    note(`good after ${Math.round(tookMs)} ms, without anybody telling the gateways`);
    expect(tookMs).toBeLessThan(NEGATIVE_TTL_MS + 1_000);
  });

  it('row 50: 500 requests at once with a key nobody has seen: each gateway asks PostgreSQL once', async () => {
    const { key, record } = await fleet.mint();
    // Gateways also ask what changed lately, however few or many requests come: that is over before the crowd comes.
    await pause(TTL_MS);
    const before = await lookUps(record.keyHash);
    const replies = await Promise.all(
      Array.from({ length: 500 }, (_, index) => fleet.ask(fleet.members[index % 3] as Member, key)),
    );
    const first = (await lookUps(record.keyHash)) - before;
    expect(countReplies(replies)).toEqual({ '200': 500 });
    // What is believed ends for all of them at once.
    await pause(TTL_MS);
    const again = await Promise.all(
      Array.from({ length: 150 }, (_, index) => fleet.ask(fleet.members[index % 3] as Member, key)),
    );
    const later = (await lookUps(record.keyHash)) - before - first;
    expect(countReplies(again)).toEqual({ '200': 150 });
    note(`${first} queries for 500 requests, ${later} for 150 after ${TTL_MS} ms`);
    expect(first).toBeGreaterThanOrEqual(1);
    expect(first).toBeLessThanOrEqual(3);
    expect(later).toBeLessThanOrEqual(3);
  }, 60_000);

  /** How often a key's hash was asked for, as PostgreSQL's own log has it. */
  const lookUps = async (keyHash: string): Promise<number> => {
    await logEverything();
    const log = await readFile(postgres.logFile, 'utf8');
    return log.split('\n').filter((line) => /DETAIL:/.test(line) && line.includes(keyHash)).length;
  };
  let isLogging = false;
  const logEverything = async (): Promise<void> => {
    if (isLogging) return;
    isLogging = true;
    await postgres.query("ALTER SYSTEM SET log_statement = 'all'");
    await postgres.query('SELECT pg_reload_conf()');
    await pause(200);
  };
});
