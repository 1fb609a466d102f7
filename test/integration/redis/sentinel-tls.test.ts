import { describeWithOwnRedis } from '../../support/redis.js';
import { type SentinelSite, startSentinels } from '../../support/redis-sites.js';
import { waitUntil } from '../auth/replica.js';
import { describeEncryptedSite, EncryptedSite } from './encrypted-sites.js';
import { describeSharedRedis, SharedRedis } from './shared-redis.js';

const PASSWORD = 'of the servers';

describeWithOwnRedis('a master that Sentinels look after, all of which speak TLS alone and want certificates', () => {
  let encrypted: EncryptedSite;
  let servers: SentinelSite;
  beforeAll(async () => {
    encrypted = new EncryptedSite();
    servers = await startSentinels(PASSWORD, encrypted.parameters, encrypted.options);
  });
  afterAll(async () => {
    await servers.site.close();
    encrypted.files.remove();
  });

  const reached = () => ({
    url: 'rediss://unused',
    password: () => PASSWORD,
    tls: encrypted.own,
    sentinel: {
      master: 'main',
      nodes: servers.sentinels.map((port) => `127.0.0.1:${port}`),
      username: '',
      password: '',
      tls: true,
    },
    commandTimeoutMs: 2_000,
  });

  describeEncryptedSite(() => ({ encrypted, ...servers, password: PASSWORD, reached: reached() }));

  describe('shared by two gateways', () => {
    let shared: SharedRedis;
    beforeAll(async () => {
      shared = await SharedRedis.start(reached());
    });
    afterAll(() => shared.close());

    describeSharedRedis(() => shared);

    it('is followed where another takes its place, and back', async () => {
      const options = { ...encrypted.options, password: PASSWORD };
      const [first, second] = servers.ports;
      for (const [lost, heir] of [
        [first, second],
        [second, first],
      ] as const) {
        const next = servers.site.client(heir, options);
        await waitUntil(async () => /master_link_status:up/.test(await next.info('replication')), 60_000);
        await servers.site.kill(lost);
        await waitUntil(() => shared.limits.every(({ redis }) => !redis.isAvailable), 60_000);
        await waitUntil(async () => /role:master/.test(await next.info('replication')), 60_000);
        await waitUntil(() => shared.isAvailable, 60_000);
        expect(await shared.countAdmitted(6, { organization: `on ${heir}`, requestLimit: 4 })).toBe(4);
        await shared.announce(await shared.makeKnownKey());
        servers.site.restart(lost);
      }
    });
  });
});
