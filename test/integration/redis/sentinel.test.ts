import type { RedisSettings } from '../../../src/redis/redis-settings.js';
import { describeWithOwnRedis } from '../../support/redis.js';
import { type RedisSite, startSentinels } from '../../support/redis-sites.js';
import { waitUntil } from '../auth/replica.js';
import { describeSharedRedis, SharedRedis } from './shared-redis.js';

const PASSWORD = 'of the servers';

describeWithOwnRedis('a master that Sentinels look after', () => {
  let site: RedisSite;
  let ports: readonly [number, number];
  let shared: SharedRedis;
  beforeAll(async () => {
    let sentinels: readonly number[];
    ({ site, ports, sentinels } = await startSentinels(PASSWORD));
    const nodes = [`127.0.0.1:1`, ...sentinels.map((port) => `127.0.0.1:${port}`)];
    const sentinel: RedisSettings['sentinel'] = { master: 'main', nodes, username: '', password: '', tls: false };
    shared = await SharedRedis.start({ url: `redis://:${encodeURIComponent(PASSWORD)}@unused`, sentinel });
  });
  afterAll(async () => {
    await shared.close();
    await site.close();
  });

  describeSharedRedis(() => shared);

  it('is followed where another takes its place, and what it counted is not forgotten', async () => {
    const changes = { organization: 'moved', keyId: 'moved', requestLimit: 3 };
    await waitUntil(async () => (await shared.reserve(0, changes)).kind === 'refused');
    const replica = site.client(ports[1], { password: PASSWORD });
    await site.client(ports[0], { password: PASSWORD }).call('WAIT', 1, 5_000);
    await site.kill(ports[0]);
    await waitUntil(() => shared.limits.every(({ redis }) => !redis.isAvailable));
    await waitUntil(async () => /role:master/.test(await replica.info('replication')), 60_000);
    await waitUntil(() => shared.isAvailable, 60_000);
    expect((await shared.reserve(1, changes)).kind).toBe('refused');
    await shared.announce(await shared.makeKnownKey());
  });

  it('is followed back', async () => {
    site.restart(ports[0]);
    const first = site.client(ports[0], { password: PASSWORD });
    await waitUntil(async () => /master_link_status:up/.test(await first.info('replication')), 60_000);
    await site.kill(ports[1]);
    await waitUntil(async () => /role:master/.test(await first.info('replication')), 60_000);
    await waitUntil(() => shared.isAvailable, 60_000);
    expect(await shared.countAdmitted(6, { organization: 'back', requestLimit: 4 })).toBe(4);
    // As long as its three waits together.
  }, 180_000);
});
