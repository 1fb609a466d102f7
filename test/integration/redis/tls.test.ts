import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RedisService } from '../../../src/redis/redis.service.js';
import { buildRedisSettings, type RedisSettings } from '../../../src/redis/redis-settings.js';
import { CertificateAuthority } from '../../support/certificates.js';
import { describeWithOwnRedis } from '../../support/redis.js';
import { RedisSite } from '../../support/redis-sites.js';
import { TlsFolder } from '../../support/tls-files.js';
import { waitUntil } from '../auth/replica.js';
import { describeSharedRedis, SharedRedis } from './shared-redis.js';

const PASSWORD = 'a p@ssword/with %everything';

describeWithOwnRedis('a Redis that speaks TLS and wants certificates', () => {
  let files: TlsFolder;
  let site: RedisSite;
  let port: number;
  let own: RedisSettings['tls'];
  let client: ReturnType<RedisSite['client']>;
  const services: RedisService[] = [];
  beforeAll(async () => {
    files = new TlsFolder();
    site = new RedisSite();
    own = files.ownOf('gateway');
    const [cert, key] = [readFileSync(own.certFile, 'utf8'), readFileSync(own.keyFile, 'utf8')];
    const { certFile, keyFile, clientCaFile } = files;
    const options = { password: PASSWORD, tls: { ca: files.authority.cert, cert, key } };
    port = await site.start(
      ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', clientCaFile].concat([
        '--tls-auth-clients',
        'yes',
        '--requirepass',
        PASSWORD,
      ]),
      options,
    );
    client = site.client(port, options);
  });
  afterEach(() => {
    for (const service of services.splice(0)) service.onApplicationShutdown();
  });
  afterAll(async () => {
    await site.close();
    files.remove();
  });

  const reached = (changes: Partial<RedisSettings> = {}) => ({
    url: `rediss://127.0.0.1:${port}`,
    tls: own,
    password: () => PASSWORD,
    commandTimeoutMs: 2_000,
    ...changes,
  });

  async function connect(changes: Partial<RedisSettings> = {}): Promise<RedisService> {
    const service = new RedisService(buildRedisSettings(reached(changes)));
    services.push(service);
    await service.onModuleInit();
    return service;
  }

  describe('shared by two gateways', () => {
    let shared: SharedRedis;
    beforeAll(async () => {
      shared = await SharedRedis.start(reached());
    });
    afterAll(() => shared.close());
    describeSharedRedis(() => shared);
  });

  it.each([
    [
      'an authority that does not know it',
      () => ({ caFile: writeAuthority(new CertificateAuthority()) }),
      /self.signed|unable to (verify|get)/i,
    ],
    ['the public authorities', () => ({ caFile: '' }), /self.signed|unable to (verify|get)/i],
    ['another name', () => ({ serverName: 'redis.example' }), /redis\.example/],
  ])('is not believed by %s, whatever the environment says', async (_, change, reason) => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const service = await connect({ tls: { ...own, ...change() } });
      await waitUntil(() => service.health.reason !== 'not connected yet');
      expect(service.health).toMatchObject({ state: 'degraded', reason: expect.stringMatching(reason) });
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('refuses a gateway without a certificate', async () => {
    const service = await connect({ tls: { ...own, certFile: '', keyFile: '' } });
    await waitUntil(() => service.health.reason !== 'not connected yet');
    expect(service.isAvailable).toBe(false);
  });

  it('is asked with the files and the password as they are at each connection', async () => {
    let password = PASSWORD;
    const certFile = join(files.folder, 'turning.crt');
    const keyFile = join(files.folder, 'turning.key');
    const issue = (authority: CertificateAuthority): void => {
      const { cert, key } = authority.issue({ names: ['gateway'] });
      writeFileSync(certFile, cert);
      writeFileSync(keyFile, key);
    };
    issue(files.clients);
    const service = await connect({ tls: { ...own, certFile, keyFile }, password: () => password });
    await waitUntil(() => service.isAvailable);
    issue(new CertificateAuthority());
    await client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await waitUntil(() => !service.isAvailable);
    // It would be back by now if it were believed.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(service.isAvailable).toBe(false);
    issue(files.clients);
    await waitUntil(() => service.isAvailable);
    password = 'another';
    await client.config('SET', 'requirepass', password);
    await client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await waitUntil(() => !service.isAvailable);
    await waitUntil(async () => (await service.run((redis) => redis.ping()).catch(() => '')) === 'PONG');
    await client.config('SET', 'requirepass', PASSWORD);
  });

  it('keeps a gateway from starting where a file cannot be used, and says which', () => {
    const tls = { ...own, keyFile: files.keyFile };
    expect(() => new RedisService(buildRedisSettings(reached({ tls })))).toThrow(
      `${files.keyFile}: is not the key of the certificate in ${own.certFile}`,
    );
  });

  function writeAuthority({ cert }: CertificateAuthority): string {
    const file = join(files.folder, 'other-ca.crt');
    writeFileSync(file, cert);
    return file;
  }
});
