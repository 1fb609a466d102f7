import { RedisService } from '../../../src/redis/redis.service.js';
import { buildRedisSettings } from '../../../src/redis/redis-settings.js';
import { describeWithOwnRedis } from '../../support/redis.js';
import { type ClusterSite, startCluster } from '../../support/redis-sites.js';
import { waitUntil } from '../auth/replica.js';
import { describeEncryptedSite, EncryptedSite } from './encrypted-sites.js';
import { describeSharedRedis, SharedRedis } from './shared-redis.js';

describeWithOwnRedis('a Redis Cluster whose nodes speak TLS alone and want certificates', () => {
  let encrypted: EncryptedSite;
  let cluster: ClusterSite;
  beforeAll(async () => {
    encrypted = new EncryptedSite();
    cluster = await startCluster(['--tls-cluster', 'yes', ...encrypted.parameters], encrypted.options);
  });
  afterAll(async () => {
    await cluster.site.close();
    encrypted.files.remove();
  });

  const reached = () => ({
    url: `rediss://127.0.0.1:${cluster.ports[0]}`,
    tls: encrypted.own,
    cluster: { nodes: [`127.0.0.1:${cluster.ports[1]}`] },
    commandTimeoutMs: 2_000,
  });

  describeEncryptedSite(() => ({ encrypted, ...cluster, password: '', reached: reached() }));

  describe('shared by two gateways', () => {
    let shared: SharedRedis;
    beforeAll(async () => {
      shared = await SharedRedis.start(reached());
    });
    afterAll(() => shared.close());

    describeSharedRedis(() => shared);

    it('goes on where a replica takes the place of a master', async () => {
      await cluster.site.kill(cluster.ports[0] ?? 0);
      await waitUntil(() => !shared.isAvailable, 30_000);
      await waitUntil(() => shared.isAvailable, 60_000);
      for (const organization of ['one', 'two', 'three', 'four', 'five', 'six']) {
        expect(await shared.countAdmitted(6, { organization, requestLimit: 4 })).toBe(4);
      }
      for (let turn = 0; turn < 4; turn += 1) await shared.announce(await shared.makeKnownKey());
    });
  });
});

describeWithOwnRedis('a Redis Cluster whose nodes announce an address that their certificates are not for', () => {
  it('counts as away, and the reason names that address', async () => {
    const encrypted = new EncryptedSite();
    const announced = ['--bind', '127.0.0.1', '127.0.0.2', '--cluster-announce-ip', '127.0.0.2'];
    const parameters = ['--tls-cluster', 'yes', ...announced, ...encrypted.parameters];
    const { site, ports } = await startCluster(parameters, encrypted.options);
    const url = `rediss://127.0.0.1:${ports[0]}`;
    const nodes = [`127.0.0.1:${ports[1]}`];
    const service = new RedisService(buildRedisSettings({ url, tls: encrypted.own, cluster: { nodes } }));
    try {
      await service.onModuleInit();
      await waitUntil(() => /127\.0\.0\.2 is not in the cert/.test(service.health.reason ?? ''));
      expect(service.isAvailable).toBe(false);
    } finally {
      service.onApplicationShutdown();
      await site.close();
      encrypted.files.remove();
    }
  });
});
