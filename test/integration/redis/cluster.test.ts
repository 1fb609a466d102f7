import { CounterReader } from '../../../src/accounting/limits/counter-reader.js';
import { describeWithOwnRedis } from '../../support/redis.js';
import { type ClusterSite, startCluster } from '../../support/redis-sites.js';
import { waitUntil } from '../auth/replica.js';
import { describeSharedRedis, SharedRedis } from './shared-redis.js';

describeWithOwnRedis('a Redis Cluster', () => {
  let cluster: ClusterSite;
  let shared: SharedRedis;
  beforeAll(async () => {
    cluster = await startCluster();
    const [first, second] = cluster.ports;
    const nodes = [`127.0.0.1:1`, `127.0.0.1:${second}`];
    shared = await SharedRedis.start({ url: `redis://127.0.0.1:${first}`, cluster: { nodes } });
  });
  afterAll(async () => {
    await shared.close();
    await cluster.site.close();
  });

  describeSharedRedis(() => shared);

  it('has keys on each of its masters, and tells of the budgets of all', async () => {
    const sizes = await Promise.all(cluster.ports.map((port) => cluster.site.client(port).dbsize()));
    expect(Math.min(...sizes)).toBeGreaterThan(0);
    const [{ redis }] = shared.limits;
    const organizations = (await new CounterReader(redis).list(Date.now())).map(({ organization }) => organization);
    expect(organizations).toEqual(expect.arrayContaining(['acme-budget', 'globex-budget', 'initech-budget']));
  });

  it('counts as away while a part of it is, and serves again once that is back', async () => {
    const lost = cluster.ports[1] ?? 0;
    await cluster.site.kill(lost);
    await waitUntil(() => shared.limits.every(({ redis }) => redis.health.state === 'degraded'), 30_000);
    cluster.site.restart(lost);
    await waitUntil(() => shared.isAvailable, 60_000);
    expect(await shared.countAdmitted(6, { organization: 'again', requestLimit: 4 })).toBe(4);
  });

  it('goes on where a replica takes the place of a master, whose messages are heard all the same', async () => {
    await cluster.site.kill(cluster.ports[0] ?? 0);
    await waitUntil(() => !shared.isAvailable, 30_000);
    await waitUntil(() => shared.isAvailable, 60_000);
    for (const organization of ['one', 'two', 'three', 'four', 'five', 'six']) {
      expect(await shared.countAdmitted(6, { organization, requestLimit: 4 })).toBe(4);
    }
    for (let turn = 0; turn < 4; turn += 1) await shared.announce(await shared.makeKnownKey());
  });
});
