import { waitUntil } from '../../integration/auth/replica.js';
import { completionAnswer, streamAnswer } from '../../support/scriptable-upstream.js';
import { Cleanup } from '../support/cleanup.js';
import { pause } from '../support/fault-site.js';
import { countReplies, Load } from '../support/load.js';
import { note } from '../support/notes.js';
import { PostgresServer } from '../support/postgres-server.js';
import { type Reply, StateFleet } from '../support/state-fleet.js';

/** What the ledger says of a request whose gateway was killed. */
const DIED = 'gateway_died';

interface Row {
  readonly request_id: string;
  readonly ending: string;
  readonly code: string | null;
}

/** How the ledger stands to what clients got and the upstream was asked. */
interface Balance {
  /** Whole answers without a complete row, and calls at the upstream without any. */
  readonly lost: number;
  readonly duplicated: number;
  /** Rows of requests that the upstream never saw, but for those that a kill ended before they were sent. */
  readonly invented: number;
  readonly killed: number;
}

describe('gateways are killed', () => {
  let postgres: PostgresServer;
  let fleet: StateFleet;
  const cleanup = new Cleanup();
  beforeAll(async () => {
    postgres = await PostgresServer.start();
    cleanup.add(() => postgres.remove());
    fleet = await StateFleet.start({ databaseUrl: postgres.url, redisUrl: '' });
    cleanup.add(() => fleet.close());
  }, 90_000);
  afterAll(() => cleanup.run());

  const rowsOf = (keyId: string): Promise<Row[]> =>
    postgres.query('SELECT request_id, ending, code FROM usage_request WHERE key_id = $1', [keyId]);

  async function balance(keyId: string, replies: readonly Reply[]): Promise<Balance> {
    const rows = await rowsOf(keyId);
    const ids = new Set(rows.map(({ request_id }) => request_id));
    const complete = new Set(rows.filter(({ ending }) => ending === 'complete').map(({ request_id }) => request_id));
    const called = new Set(fleet.upstreamIds);
    const unanswered = replies.filter(({ id, status }) => status === 200 && !complete.has(id));
    const unseen = replies.filter(({ id }) => called.has(id) && !ids.has(id));
    return {
      lost: new Set([...unanswered, ...unseen].map(({ id }) => id)).size,
      duplicated: rows.length - ids.size,
      invented: rows.filter(({ request_id, code }) => !called.has(request_id) && code !== DIED).length,
      killed: rows.filter(({ code }) => code === DIED).length,
    };
  }

  /** Until nothing waits in any journal, those of the dead included. */
  const untilSettled = async (keyId: string, replies: readonly Reply[]): Promise<number> => {
    const startedAtMs = performance.now();
    await waitUntil(async () => (await balance(keyId, replies)).lost === 0, 30_000).catch(() => undefined);
    await waitUntil(async () => {
      const depths = await Promise.all(fleet.members.map((member) => fleet.metric(member, 'aegis_journal_depth')));
      return depths.every((depth) => depth === 0);
    });
    return performance.now() - startedAtMs;
  };

  it('row 48: a gateway is killed every second under load, PostgreSQL is down for half of it: none lost, none twice', async () => {
    const { key, record } = await fleet.mint();
    fleet.upstream.answerWith((received, index) => ({
      ...((received.json() as { stream?: boolean }).stream === true
        ? streamAnswer(['a', 'b', 'c'])
        : completionAnswer('Hello')),
      delayMs: 5 + (index % 4) * 5,
      pieceDelayMs: 3,
    }));
    for (const member of fleet.members) expect(await fleet.ask(member, key)).toMatchObject({ status: 200 });
    const load = Load.start(fleet, { key, clients: 9, pauseMs: 5, body: (turn) => ({ stream: turn % 3 === 0 }) });
    let kills = 0;
    for (let second = 0; second < 9; second += 1) {
      if (second === 2) await postgres.crash();
      await pause(700);
      // A new one cannot learn of keys while PostgreSQL is away: the oldest, who knows this one, goes on until then.
      const isAway = second >= 2 && second < 6;
      if (!isAway) await waitUntil(() => fleet.members.length > 1, 30_000);
      const victim = fleet.members.at(isAway ? -1 : 0);
      if (victim && fleet.members.length > 1) {
        await fleet.end(victim, 'SIGKILL');
        kills += 1;
        void fleet.add().catch(() => undefined);
      }
      if (second === 5) await postgres.restart();
    }
    const replies = await load.stop();
    await waitUntil(() => fleet.members.length === 3, 40_000);
    const tookMs = await untilSettled(record.principal.keyId, replies);
    const found = await balance(record.principal.keyId, replies);
    const counts = countReplies(replies);
    note(
      `${kills} kills, ${counts['200']} whole answers of ${fleet.upstreamIds.length} calls, ${found.killed} ended by a kill; ` +
        `lost ${found.lost}, duplicated ${found.duplicated}, settled after ${Math.round(tookMs)} ms`,
    );
    expect(counts['200']).toBeGreaterThan(30);
    expect(kills).toBeGreaterThanOrEqual(5);
    expect(found).toMatchObject({ lost: 0, duplicated: 0, invented: 0 });
  }, 180_000);

  it('row 48: gateways are told to stop under load: each exits with 0, and nothing is left to anybody', async () => {
    const { key, record } = await fleet.mint();
    const load = Load.start(fleet, { key, clients: 6, pauseMs: 5 });
    const codes: (number | null)[] = [];
    for (let round = 0; round < 2; round += 1) {
      await pause(400);
      const [leaving] = fleet.members;
      if (leaving) codes.push(await fleet.end(leaving, 'SIGTERM'));
    }
    const replies = await load.stop();
    // What the two had is there already: the last one was only asked for its own.
    const tookMs = await untilSettled(record.principal.keyId, replies);
    const found = await balance(record.principal.keyId, replies);
    note(`${countReplies(replies)['200']} answers, lost ${found.lost}, settled after ${Math.round(tookMs)} ms`);
    expect(codes).toEqual([0, 0]);
    expect(found).toEqual({ lost: 0, duplicated: 0, invented: 0, killed: 0 });
  }, 60_000);
});
