import { join } from 'node:path';
import { waitUntil } from '../../integration/auth/replica.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithOwnRedis, startRedis, type TestRedis } from '../../support/redis.js';
import { completionAnswer, errorAnswer, streamAnswer } from '../../support/scriptable-upstream.js';
import { Cleanup } from '../support/cleanup.js';
import { pause } from '../support/fault-site.js';
import { countReplies } from '../support/load.js';
import { note } from '../support/notes.js';
import { type Member, REQUEST_NANO_USD, type Reply, StateFleet } from '../support/state-fleet.js';

const HOUR_MS = 3_600_000;
const ANSWER = { ...completionAnswer('Hello'), delayMs: 5 };

describeWithOwnRedis('limits of three gateways', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let fleet: StateFleet;
  const cleanup = new Cleanup();
  beforeAll(async () => {
    database = await createDatabase();
    cleanup.add(() => database.drop());
    redis = await startRedis();
    cleanup.add(() => redis.close());
    fleet = await StateFleet.start({ databaseUrl: database.url, redisUrl: redis.url });
    cleanup.add(() => fleet.close());
  }, 60_000);
  afterAll(() => cleanup.run());
  beforeEach(() => {
    fleet.upstream.script(ANSWER);
  });

  const memberOf = (index: number): Member => fleet.members[index % fleet.members.length] as Member;
  /** Moves everything that Redis knows of a key's windows into the past, as if that much time had gone by. */
  const age = (keyId: string, seconds: number): Promise<unknown> =>
    fleet.operator.redis.run(async (client) => {
      for (const window of ['requests', 'tokens']) {
        const name = `aegis:limits:{acme}:key:${keyId}:${window}`;
        const counts = await client.hgetall(name);
        await client.del(name);
        for (const [field, count] of Object.entries(counts)) {
          if (field === 't') await client.hset(name, field, count);
          else if (field === 'h' || field === 'n') await client.hset(name, field, Number(count) - seconds);
          else await client.hset(name, String(Number(field) - seconds), count);
        }
      }
    });

  it('row 46: a budget for 1,000 requests, 200 clients: 1,000 are served, and nobody is refused while money is left', async () => {
    const money = 1_000;
    const { key, record } = await fleet.mint({
      budgetNanoUsd: BigInt(money) * REQUEST_NANO_USD,
      budgetWindow: 'day',
    });
    let [served, underWay, falseRefusals, refused] = [0, 0, 0, 0];
    const startedAtMs = performance.now();
    const client = async (index: number): Promise<void> => {
      for (let turn = index; ; turn += 1) {
        underWay += 1;
        const { status, code } = await fleet.ask(memberOf(turn), key);
        underWay -= 1;
        if (status === 200) {
          served += 1;
          continue;
        }
        expect([status, code]).toEqual([402, 'budget_exceeded']);
        refused += 1;
        // Even if all that are under way are served, there would be enough for this one.
        if (served + underWay < money) falseRefusals += 1;
        return;
      }
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => client(index)));
    const tookMs = performance.now() - startedAtMs;
    const spentInLedger = async (): Promise<number> => {
      const [row] = await database.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM usage_request WHERE key_id = $1 AND cost_nano_usd = $2',
        [record.principal.keyId, REQUEST_NANO_USD.toString()],
      );
      return row?.count ?? 0;
    };
    await waitUntil(async () => (await spentInLedger()) >= served);
    note(
      `${served} served of ${money}, ${await spentInLedger()} in the ledger, ${refused} clients refused, ` +
        `${falseRefusals} of them falsely, ${Math.round(tookMs)} ms`,
    );
    expect({ served, refused, falseRefusals }).toEqual({ served: money, refused: 200, falseRefusals: 0 });
    expect(await spentInLedger()).toBe(money);
  }, 60_000);

  it('row 46: a gateway is killed with reservations open: they are given back, and the budget holds', async () => {
    const { key, record } = await fleet.mint({ budgetNanoUsd: 10n * REQUEST_NANO_USD, budgetWindow: 'day' });
    fleet.upstream.script({ refuse: 'hang' });
    const calls = fleet.upstream.requests.length;
    const doomed = await fleet.add();
    // Twice the cost is set aside for each: this is all the money there is.
    const lost = Array.from({ length: 5 }, () => fleet.ask(doomed, key));
    await waitUntil(() => fleet.upstream.requests.length === calls + 5);
    await fleet.end(doomed, 'SIGKILL');
    expect((await Promise.all(lost)).map(({ status }) => status)).toEqual([0, 0, 0, 0, 0]);
    fleet.upstream.script(ANSWER);
    // A minute without a renewal ends a lease: as if it had gone by.
    const ended = await fleet.operator.redis.run(async (client) => {
      const names = await client.keys(`*${record.principal.keyId}*:leases`);
      let count = 0;
      for (const name of names) {
        for (const id of await client.zrange(name, 0, -1)) {
          await client.zadd(name, Date.now() - 1, id);
          count += 1;
        }
      }
      return count;
    });
    expect(ended).toBe(5);
    const replies: Reply[] = [];
    for (let sent = 0; sent < 12; sent += 1) replies.push(await fleet.ask(memberOf(sent), key));
    expect(countReplies(replies)).toEqual({ '200': 10, '402 budget_exceeded': 2 });
    note('5 reservations of a killed gateway given back; 10 of 10 requests served after that');
  });

  it('row 47: 200 requests at once for a limit of 100, and again as the window moves: never more than 100 in any minute', async () => {
    const { key, record } = await fleet.mint({ rpmLimit: 100 });
    const burst = async (): Promise<number> => {
      const replies = await Promise.all(Array.from({ length: 200 }, (_, index) => fleet.ask(memberOf(index), key)));
      const counts = countReplies(replies);
      expect(Object.keys(counts).every((name) => ['200', '429 rate_limit_exceeded'].includes(name))).toBe(true);
      return counts['200'] ?? 0;
    };
    const admitted = [await burst()];
    for (const seconds of [30, 25, 10]) {
      await age(record.principal.keyId, seconds);
      admitted.push(await burst());
    }
    note(`admitted after 0, 30, 55 and 65 s: ${admitted.join(', ')}`);
    expect(admitted).toEqual([100, 0, 0, 100]);
  });

  it('row 51: one of three is an hour ahead: limits, budgets and revocations are the same for all', async () => {
    const early = await fleet.add(shifted({ fromStart: true }));
    try {
      const { key, record } = await fleet.mint({
        rpmLimit: 30,
        budgetNanoUsd: 1_000n * REQUEST_NANO_USD,
        budgetWindow: 'month',
      });
      const replies: Reply[] = [];
      for (let sent = 0; sent < 60; sent += 1) replies.push(await fleet.ask(memberOf(sent), key));
      const byEarly = replies.filter((_, index) => memberOf(index) === early);
      expect(countReplies(replies)).toEqual({ '200': 30, '429 rate_limit_exceeded': 30 });
      expect(countReplies(byEarly)['200']).toBeGreaterThan(0);
      const { key: other, record: ending } = await fleet.mint();
      for (const member of fleet.members) expect(await fleet.ask(member, other)).toMatchObject({ status: 200 });
      const startedAtMs = performance.now();
      await fleet.operator.administration.revoke(ending, null);
      await waitUntil(async () => {
        const each = await Promise.all(fleet.members.map((member) => fleet.ask(member, other)));
        return each.every(({ status }) => status === 401);
      });
      const tookMs = performance.now() - startedAtMs;
      expect(tookMs).toBeLessThan(1_000);
      note(`30 of 60 admitted for a limit of 30; revoked everywhere after ${Math.round(tookMs)} ms`);
      expect(record.principal.rpmLimit).toBe(30);
    } finally {
      await fleet.end(early, 'SIGKILL');
    }
  });

  it('row 51: a clock jumps ahead and back in the middle of a stream: no duration is negative or an hour long', async () => {
    const { key, record } = await fleet.mint();
    fleet.upstream.script({ ...streamAnswer(['a', 'b', 'c', 'd', 'e', 'f']), pieceDelayMs: 100 });
    const jumping = await fleet.add(shifted({ stepMs: HOUR_MS }));
    const falling = await fleet.add(shifted({ stepMs: -HOUR_MS }));
    try {
      const replies = [jumping, falling].map((member) => fleet.ask(member, key, { stream: true }));
      await pause(300);
      for (const { process } of [jumping, falling]) process.child.kill('SIGUSR2');
      expect((await Promise.all(replies)).map(({ status }) => status)).toEqual([200, 200]);
      interface Durations extends Record<string, number> {
        duration_ms: number;
        upstream_ms: number;
        first_content_ms: number;
      }
      const read = (): Promise<Durations[]> =>
        database.query('SELECT duration_ms, upstream_ms, first_content_ms FROM usage_request WHERE key_id = $1', [
          record.principal.keyId,
        ]);
      await waitUntil(async () => (await read()).length === 2);
      const rows = await read();
      for (const row of rows) {
        expect(row.duration_ms).toBeGreaterThan(500);
        for (const figure of Object.values(row)) {
          expect(figure).toBeGreaterThanOrEqual(0);
          expect(figure).toBeLessThan(60_000);
        }
      }
      fleet.upstream.script(ANSWER);
      expect(await fleet.ask(jumping, key)).toMatchObject({ status: 200 });
      expect(await fleet.ask(falling, key)).toMatchObject({ status: 200 });
      for (const member of [jumping, falling]) {
        expect(await fleet.metric(member, 'aegis_request_duration_seconds_sum')).toBeLessThan(60);
        expect(await fleet.metric(member, 'aegis_request_duration_seconds_sum')).toBeGreaterThan(0);
      }
      const durations = rows.map(({ duration_ms }) => Math.round(duration_ms));
      note(`durations of about 900 ms: ${durations.join(' and ')} ms`);
    } finally {
      await fleet.end(jumping, 'SIGKILL');
      await fleet.end(falling, 'SIGKILL');
    }
  });

  it('row 52: a target asks one gateway for a pause: that one leaves it alone, each other finds out by itself', async () => {
    const { key } = await fleet.mint();
    fleet.upstream.answerWith((_, index) =>
      index === calls ? errorAnswer(429, 'slow down', { 'retry-after': '30' }) : ANSWER,
    );
    const calls = fleet.upstream.requests.length;
    const [one, other] = [memberOf(0), memberOf(1)];
    const body = { model: 'pair' };
    const servedBy: (string | null)[] = [];
    for (const member of [one, one, one, other, other]) servedBy.push((await fleet.ask(member, key, body)).provider);
    expect(servedBy).toEqual(['second', 'second', 'second', 'first', 'first']);
    // The refused attempt, and one for each answer: nobody asked in vain again.
    expect(fleet.upstream.requests.length - calls).toBe(6);
    note('a pause counts for the gateway that was told of it');
  });
});

interface Shift {
  readonly fromStart?: boolean;
  readonly stepMs?: number;
}

/** The environment of a gateway whose wall clock is wrong from the start, or jumps with SIGUSR2. */
function shifted({ fromStart = false, stepMs = HOUR_MS }: Shift): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${join(process.cwd(), 'test', 'faults', 'support', 'shifted-clock.mjs')}`,
    SHIFTED_CLOCK_MS: String(stepMs),
    SHIFTED_CLOCK_FROM_START: fromStart ? '1' : '0',
  };
}
