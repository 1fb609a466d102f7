import type pg from 'pg';
import { request } from 'undici';
import { MIGRATIONS } from '../../../src/database/data-source.js';
import { waitUntil } from '../../integration/auth/replica.js';
import { createDatabase } from '../../support/postgres.js';
import { startRedis, type TestRedis } from '../../support/redis.js';
import { TcpFaultProxy } from '../../support/tcp-fault-proxy.js';
import { Cleanup } from '../support/cleanup.js';
import { pause } from '../support/fault-site.js';
import { countReplies, Load, medianMs, p99Ms } from '../support/load.js';
import { note } from '../support/notes.js';
import { PostgresServer } from '../support/postgres-server.js';
import { type Member, probe, type Reply, StateFleet } from '../support/state-fleet.js';

const MAX_CONNECTIONS = 40;
const POOL_SIZE = 4;

describe('PostgreSQL fails', () => {
  let postgres: PostgresServer;
  let redis: TestRedis | null = null;
  let proxy: TcpFaultProxy;
  let fleet: StateFleet;
  let key: string;
  const cleanup = new Cleanup();
  beforeAll(async () => {
    postgres = await PostgresServer.start({ max_connections: String(MAX_CONNECTIONS) });
    cleanup.add(() => postgres.remove());
    redis = await startRedis().catch(() => null);
    cleanup.add(() => redis?.close());
    proxy = await TcpFaultProxy.start(postgres.port);
    cleanup.add(() => proxy.close());
    const redisUrl = redis?.url ?? '';
    fleet = await StateFleet.start({
      databaseUrl: through(proxy, postgres.url),
      redisUrl,
      operatorUrls: { databaseUrl: postgres.url, redisUrl },
      gateway: { database: { pool_size: POOL_SIZE, query_timeout: '1s', connect_timeout: '1s' } },
    });
    cleanup.add(() => fleet.close());
    ({ key } = await fleet.mint());
  }, 90_000);
  afterAll(() => cleanup.run());

  const memberOf = (index: number): Member => fleet.members[index % fleet.members.length] as Member;
  /** Every gateway has just seen the key. */
  const warm = async (): Promise<void> => {
    await untilHealthy();
    for (const member of fleet.members) expect(await fleet.ask(member, key)).toMatchObject({ status: 200 });
  };
  const untilHealthy = (): Promise<number> =>
    waitUntil(async () => {
      const labels = { dependency: 'database', state: 'healthy' };
      const states = fleet.members.map((member) => fleet.metric(member, 'aegis_dependency_state', labels));
      return fleet.operator.database.isAvailable && (await Promise.all(states)).every((state) => state === 1);
    }, 20_000);
  const depth = async (): Promise<number> => {
    const each = await Promise.all(fleet.members.map((member) => fleet.metric(member, 'aegis_journal_depth')));
    return each.reduce((sum, one) => sum + one, 0);
  };
  /** Each of these replies has exactly one row, however long that takes. Milliseconds. */
  const untilShipped = async (replies: readonly Reply[]): Promise<number> => {
    const ids = replies.filter(({ status }) => status === 200).map(({ id }) => id);
    const count = async (): Promise<{ rows: number; requests: number }> => {
      const [found] = await postgres.query<{ rows: number; requests: number }>(
        'SELECT count(*)::int AS rows, count(DISTINCT request_id)::int AS requests FROM usage_request WHERE request_id = ANY($1)',
        [ids],
      );
      return found ?? { rows: 0, requests: 0 };
    };
    const tookMs = await waitUntil(async () => (await count().catch(() => null))?.requests === ids.length, 20_000);
    expect(await count()).toEqual({ rows: ids.length, requests: ids.length });
    return tookMs;
  };

  it('row 39: down at the start: it lives, is not ready, says 503 and never 401, and joins once PostgreSQL comes', async () => {
    await warm();
    await postgres.crash();
    const lone = await fleet.addApart({ databaseUrl: postgres.url, redisUrl: '' });
    expect([await probe(lone, 'live'), await probe(lone, 'ready')]).toEqual([200, 503]);
    expect(await fleet.ask(lone, key)).toMatchObject({ status: 503, code: 'dependency_unavailable' });
    await postgres.restart();
    const tookMs = await fleet.untilReady(lone, 10_000);
    expect(await fleet.ask(lone, key)).toMatchObject({ status: 200 });
    expect(lone.process.child.exitCode).toBeNull();
    await fleet.end(lone, 'SIGKILL');
    note(`ready ${Math.round(tookMs)} ms after PostgreSQL is`);
  }, 60_000);

  it.each([
    ['frozen', () => postgres.freeze(), () => postgres.thaw()],
    ['behind a black hole', () => proxy.hold(), () => proxy.release()],
  ] as const)(
    'row 40: %s under load: requests go on, unknown keys get a 503 in time, all is shipped later',
    async (_name, stop, resume) => {
      await warm();
      const { key: unseen } = await fleet.mint();
      const load = Load.start(fleet, { key, clients: 4, pauseMs: 20 });
      const before = await load.during(() => pause(1_500));
      stop();
      let unknown: Reply[] = [];
      const during = await load
        .during(async () => {
          unknown = await Promise.all(fleet.members.map((member) => fleet.ask(member, unseen)));
          await pause(3_000);
        })
        .finally(resume);
      const resumedAtMs = performance.now();
      await waitUntil(async () => (await fleet.ask(memberOf(0), unseen)).status === 200, 10_000);
      await untilHealthy();
      const recoveredMs = performance.now() - resumedAtMs;
      const replies = await load.stop();
      expect(countReplies(replies)).toEqual({ '200': replies.length });
      expect(countReplies(unknown)).toEqual({ '503 dependency_unavailable': 3 });
      expect(Math.max(...unknown.map(({ elapsedMs }) => elapsedMs))).toBeLessThan(5_000);
      expect(recoveredMs).toBeLessThan(10_000);
      expect(medianMs(during)).toBeLessThan(2 * medianMs(before) + 50);
      const shippedMs = await untilShipped(replies);
      // No connection is kept on which an answer is still due.
      expect(await connections()).toBeLessThanOrEqual(fleet.members.length * POOL_SIZE);
      note(
        `p99 ${p99Ms(before)} ms → ${p99Ms(during)} ms over ${during.length} requests; recovered after ` +
          `${Math.round(recoveredMs)} ms, shipped ${Math.round(shippedMs)} ms later`,
      );
    },
    60_000,
  );

  const connections = async (): Promise<number> => {
    const [row] = await postgres.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'aegis'",
    );
    // The operator's own are told apart by nothing: it has a pool of its own.
    return (row?.count ?? 0) - 1;
  };

  it('row 41: killed and started again five times under load: no gateway ends, and each answer has one row', async () => {
    await warm();
    const load = Load.start(fleet, { key, clients: 6, pauseMs: 15 });
    for (let round = 0; round < 5; round += 1) {
      await pause(300);
      await postgres.crash();
      await pause(200);
      await postgres.restart();
    }
    const replies = await load.stop();
    expect(countReplies(replies)).toEqual({ '200': replies.length });
    await untilHealthy();
    const shippedMs = await untilShipped(replies);
    expect(fleet.members.map(({ process }) => process.child.exitCode)).toEqual([null, null, null]);
    note(`${replies.length} answers, ${replies.length} rows, the last ${Math.round(shippedMs)} ms after the load`);
  }, 60_000);

  it('row 42: the table of usage is locked: requests do not wait, the journal does, and ships afterwards', async () => {
    await warm();
    const holder = await postgres.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE usage_request IN ACCESS EXCLUSIVE MODE');
    const load = Load.start(fleet, { key, clients: 4, pauseMs: 20 });
    const waiting: number[] = [];
    for (let second = 0; second < 4; second += 1) {
      await pause(1_000);
      waiting.push(await depth());
    }
    const replies = await load.stop();
    await holder.query('ROLLBACK');
    await holder.end();
    const shippedMs = await untilShipped(replies);
    await waitUntil(async () => (await depth()) === 0);
    expect(countReplies(replies)).toEqual({ '200': replies.length });
    expect(waiting.at(-1)).toBeGreaterThan(waiting[0] ?? 0);
    note(
      `p99 ${p99Ms(replies)} ms; waiting ${waiting.join(', ')} after each second; shipped after ${Math.round(shippedMs)} ms`,
    );
  }, 60_000);

  it('row 43: a flood of keys nobody has seen: pools stay within their size, and connections end as they were', async () => {
    await untilHealthy();
    const keys: string[] = [];
    for (let made = 0; made < 150; made += 1) keys.push((await fleet.mint()).key);
    let most = 0;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        most = Math.max(most, await connections());
        await pause(20);
      }
    })();
    const replies = await Promise.all(keys.flatMap((key) => fleet.members.map((member) => fleet.ask(member, key))));
    isOver = true;
    await watching;
    const slowestMs = Math.max(...replies.map(({ elapsedMs }) => elapsedMs));
    expect(slowestMs).toBeLessThan(15_000);
    const counts = countReplies(replies);
    expect(Object.keys(counts).every((name) => ['200', '503 dependency_unavailable'].includes(name))).toBe(true);
    // The operator has up to ten of its own.
    expect(most).toBeLessThanOrEqual(fleet.members.length * POOL_SIZE + 10);
    const busy = async (): Promise<number> => {
      const [row] = await postgres.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'aegis' AND state <> 'idle'",
      );
      return row?.count ?? 0;
    };
    await waitUntil(async () => (await busy()) === 0);
    note(`${JSON.stringify(counts)} within ${Math.round(slowestMs)} ms, at most ${most} connections`);
  }, 60_000);

  it('row 43: others hold every connection there is: known keys are served, unknown ones get a 503 at once', async () => {
    await warm();
    const { key: unseen } = await fleet.mint();
    // Whoever has a connection loses it, and finds all of them taken.
    const hogs: pg.Client[] = [];
    const admin = await postgres.connect();
    const holdAll = async (): Promise<void> => {
      await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aegis'");
      try {
        for (;;) hogs.push(await postgres.connect());
      } catch (error) {
        expect((error as { code?: string }).code).toBe('53300');
      }
    };
    await waitUntil(async () => {
      const held = hogs.length;
      await holdAll();
      const left = await admin.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'aegis'");
      // A place comes free a moment after its process is gone.
      return left.rowCount === 0 && hogs.length === held;
    });
    try {
      const known = await Promise.all([...fleet.members, ...fleet.members].map((member) => fleet.ask(member, key)));
      expect(countReplies(known)).toEqual({ '200': 6 });
      const unknown = await Promise.all(fleet.members.map((member) => fleet.ask(member, unseen)));
      expect(countReplies(unknown)).toEqual({ '503 dependency_unavailable': 3 });
      const slowestMs = Math.max(...unknown.map(({ elapsedMs }) => elapsedMs));
      expect(slowestMs).toBeLessThan(3_000);
      note(`all ${MAX_CONNECTIONS} connections held by others: 503 after ${Math.round(slowestMs)} ms`);
    } finally {
      for (const client of [...hogs, admin]) await client.end();
    }
    await waitUntil(async () => (await fleet.ask(memberOf(0), unseen)).status === 200, 10_000);
  }, 60_000);

  it('row 44: read-only: no request fails, the journal grows, and ships once it may be written again', async () => {
    await warm();
    const set = async (value: 'on' | 'off'): Promise<void> => {
      await postgres.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
      await postgres.query('SELECT pg_reload_conf()');
    };
    await set('on');
    let waiting = 0;
    let replies: Reply[] = [];
    try {
      const load = Load.start(fleet, { key, clients: 4, pauseMs: 20 });
      await pause(2_500);
      replies = await load.stop();
      waiting = await depth();
    } finally {
      await set('off');
    }
    expect(countReplies(replies)).toEqual({ '200': replies.length });
    expect(waiting).toBeGreaterThan(0);
    const shippedMs = await untilShipped(replies);
    note(`${waiting} records waited; shipped ${Math.round(shippedMs)} ms after it may be written`);
  }, 60_000);

  it('row 45: five gateways start at once on an empty database: one migrates, all become ready', async () => {
    const empty = await createDatabase({ migrated: false });
    cleanup.add(() => empty.drop());
    const starting = Array.from({ length: 5 }, () => fleet.addApart({ databaseUrl: empty.url, redisUrl: '' }));
    const started = await Promise.all(starting);
    for (const member of started) await fleet.untilReady(member);
    const rows = await empty.query<{ name: string }>('SELECT name FROM schema_migration ORDER BY id');
    expect(rows.map(({ name }) => name)).toEqual(MIGRATIONS.map(({ name }) => name));
    const ran = started.filter(({ process }) => process.output().includes('Migrated the database'));
    expect(ran).toHaveLength(1);
    for (const { url } of started) {
      const answer = await request(`${url}/v1/models`, { headers: { authorization: 'Bearer nobody' } });
      await answer.body.dump();
      expect(answer.statusCode).toBe(401);
    }
    note(`${rows.length} migrations, run by 1 of 5`);
    for (const { process } of started) process.child.kill('SIGKILL');
    await Promise.all(started.map(({ process }) => process.exited));
  }, 60_000);
});

/** The same database, reached through a proxy. */
function through(proxy: TcpFaultProxy, url: string): string {
  const target = new URL(url);
  target.port = new URL(proxy.url).port;
  return target.toString();
}
