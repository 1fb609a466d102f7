import { describeWithOwnRedis } from '../../support/redis.js';
import { chat, Fleet, openStream, statusFor } from './fleet.js';
import { waitUntil } from './replica.js';

const TTL_MS = 4_000;

describeWithOwnRedis('three gateways', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start({ auth: { cache_ttl: `${TTL_MS}ms` } });
  }, 60_000);
  afterAll(() => fleet.close());

  const statusEverywhere = (key: string) => Promise.all(fleet.members.map((member) => statusFor(member, key)));
  const untilRefused = (key: string): Promise<number> =>
    waitUntil(async () => (await statusEverywhere(key)).every((status) => status === 401));

  it('refuse a revoked key everywhere within a second, thirty times of thirty', async () => {
    const tookMs: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      const { key, record } = await fleet.mint();
      expect(await statusEverywhere(key)).toEqual([200, 200, 200]);
      const startedAtMs = performance.now();
      expect(await fleet.operator.administration.revoke(record, null)).toEqual({ revoked: true, told: true });
      await untilRefused(key);
      tookMs.push(performance.now() - startedAtMs);
    }
    expect(Math.max(...tookMs)).toBeLessThan(1_000);
  });

  it('end what a revoked key has open, and nothing of another key', async () => {
    const [ending, going] = [await fleet.mint(), await fleet.mint()];
    const calls = fleet.upstream.requests.length;
    const streams = await Promise.all(fleet.members.map((member) => openStream(member, ending.key)));
    const waiting = fleet.members.map((member) => chat(member, ending.key, false));
    await waitUntil(() => fleet.upstream.requests.length === calls + 6);
    const others = await Promise.all(fleet.members.map((member) => openStream(member, going.key)));

    const startedAtMs = performance.now();
    await fleet.operator.administration.revoke(ending.record, 'leaked');
    for (const { ended } of streams) {
      const { text } = await ended;
      expect(text).not.toContain('[DONE]');
      const events = text.trim().split('\n\n');
      expect(JSON.parse((events.at(-1) ?? '').slice('data: '.length))).toMatchObject({
        error: { code: 'invalid_api_key', type: 'authentication_error' },
      });
    }
    for (const answer of waiting) {
      const { statusCode, body } = await answer;
      expect([statusCode, await body.json()]).toMatchObject([401, { error: { code: 'invalid_api_key' } }]);
    }
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
    await Promise.all(fleet.upstream.requests.slice(calls, calls + 6).map(({ closed }) => closed));

    await fleet.operator.administration.update(going.record, () => ({ changes: { rpmLimit: 1_000 }, problems: [] }));
    expect(await Promise.race([others[0]?.ended, new Promise((resolve) => setTimeout(resolve, 500, 'open'))])).toBe(
      'open',
    );
    await fleet.operator.administration.revoke(going.record, null);
    await Promise.all(others.map(({ ended }) => ended));
  });

  it('hold a changed key to what it may do now, within a second, open requests included', async () => {
    const { key, record } = await fleet.mint({ maxClassification: 'CONFIDENTIAL' });
    const [member] = fleet.members;
    if (member === undefined) throw new Error('There is no gateway');
    const stream = await openStream(member, key);
    const startedAtMs = performance.now();
    await fleet.operator.administration.update(record, () => ({
      changes: { maxClassification: 'PUBLIC', defaultClassification: 'PUBLIC', allowedModels: [] },
      problems: [],
    }));
    expect((await stream.ended).text).toContain('"classification_denied"');
    for (const other of fleet.members) {
      await waitUntil(async () => {
        const answer = await chat(other, key, false);
        await answer.body.dump();
        return answer.statusCode === 403;
      });
    }
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
  });

  it('end the streams of a key at the moment it expires', async () => {
    const endsAtMs = Date.now() + 1_500;
    const { key } = await fleet.mint({ expiresAtMs: endsAtMs });
    const streams = await Promise.all(fleet.members.map((member) => openStream(member, key)));
    for (const { ended } of streams) expect((await ended).text).toContain('"invalid_api_key"');
    expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs);
    expect(Date.now() - endsAtMs).toBeLessThan(1_000);
    expect(await statusEverywhere(key)).toEqual([401, 401, 401]);
  });

  it('let the old key of a rotation go on until the overlap ends, and not longer', async () => {
    const { key, record } = await fleet.mint();
    const endsAtMs = Date.now() + 2_000;
    const rotated = await fleet.operator.administration.rotate(record, new Date(endsAtMs));
    expect(await statusEverywhere(key)).toEqual([200, 200, 200]);
    expect(await statusEverywhere(rotated?.key ?? '')).toEqual([200, 200, 200]);
    await untilRefused(key);
    expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs);
    expect(Date.now() - endsAtMs).toBeLessThan(1_000);
    expect(await statusEverywhere(rotated?.key ?? '')).toEqual([200, 200, 200]);
  });

  it('learn of a revocation within the time a key is believed, while no message arrives, and end its streams', async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => fleet.mint()));
    for (const { key } of keys) expect(await statusEverywhere(key)).toEqual([200, 200, 200]);
    const streams = await Promise.all(fleet.members.map((member) => openStream(member, keys[0]?.key ?? '')));
    fleet.redis.freeze();
    try {
      const startedAtMs = performance.now();
      for (const { record } of keys) {
        expect((await fleet.operator.administration.revoke(record, null)).told).toBe(false);
      }
      await Promise.all(keys.map(({ key }) => untilRefused(key)));
      await Promise.all(streams.map(({ ended }) => ended));
      expect(performance.now() - startedAtMs).toBeLessThan(TTL_MS + 1_000);
    } finally {
      fleet.redis.thaw();
    }
    await fleet.untilRedisIsBack();
    for (const { key } of keys) expect(await statusEverywhere(key)).toEqual([401, 401, 401]);
  });

  it('write neither a key nor a hash, at the most talkative log level', async () => {
    const { key, record } = await fleet.mint();
    // What Redis must not hold, and a statement that PostgreSQL refuses: both are told of in the log.
    await fleet.operator.redis.run((client) => client.set(`aegis:key:${record.keyHash}`, '{"status":"active"}'));
    await statusEverywhere(key);
    const broken = await fleet.mint();
    await fleet.database.query('ALTER TABLE api_key RENAME COLUMN name TO renamed');
    expect(await statusEverywhere(broken.key)).toEqual([500, 500, 500]);
    await fleet.database.query('ALTER TABLE api_key RENAME COLUMN renamed TO name');
    expect(await statusEverywhere(broken.key)).toEqual([200, 200, 200]);
    await statusEverywhere(key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')));
    await fleet.operator.administration.revoke(record, null);
    await untilRefused(key);
    const output = fleet.output();
    for (const told of ['invalid_api_key', 'did not seal', 'request failed']) expect(output).toContain(told);
    expect(output).not.toContain(key.slice(-32));
    expect(output).not.toContain(broken.key.slice(-32));
    const hashes = await fleet.database.query<{ key_hash: string }>('SELECT key_hash FROM api_key');
    expect(hashes.length).toBeGreaterThan(30);
    for (const { key_hash } of hashes) expect(output).not.toContain(key_hash);
    expect(output).not.toMatch(/aegis-test-[a-z0-9]{32}/);
  });
});
