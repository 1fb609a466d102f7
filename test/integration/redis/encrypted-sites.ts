import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RedisOptions } from 'ioredis';
import { RedisService } from '../../../src/redis/redis.service.js';
import { buildRedisSettings, type RedisSettings } from '../../../src/redis/redis-settings.js';
import { CertificateAuthority } from '../../support/certificates.js';
import type { RedisSite } from '../../support/redis-sites.js';
import { TlsFolder } from '../../support/tls-files.js';
import { waitUntil } from '../auth/replica.js';

/** Files of servers that speak TLS alone, to each other as well, and want a certificate of whoever connects. */
export class EncryptedSite {
  readonly files = new TlsFolder();
  /** What a gateway shows, and whom it believes. */
  readonly own = this.files.ownOf('gateway');
  /** Of each server, one that looks after others included. */
  readonly parameters: readonly string[];
  /** Vouches for the certificates that servers show one day; no gateway knows it yet. */
  readonly next = new CertificateAuthority();
  /** How a test reaches a server. */
  readonly options: { readonly tls: NonNullable<RedisOptions['tls']> };

  constructor() {
    const { files, own } = this;
    // They show one another the certificate that they show clients.
    const everyone = join(files.folder, 'everyone.crt');
    writeFileSync(everyone, [files.authority, files.clients, this.next].map(({ cert }) => cert).join(''));
    this.parameters = [
      ...['--tls-cert-file', files.certFile, '--tls-key-file', files.keyFile, '--tls-ca-cert-file', everyone],
      ...['--tls-auth-clients', 'yes', '--tls-replication', 'yes'],
    ];
    const [cert, key] = [readFileSync(own.certFile, 'utf8'), readFileSync(own.keyFile, 'utf8')];
    this.options = { tls: { ca: [files.authority.cert, this.next.cert], cert, key } };
  }

  writeAuthority({ cert }: CertificateAuthority): string {
    const file = join(this.files.folder, 'other-ca.crt');
    writeFileSync(file, cert);
    return file;
  }
}

type Reached = Partial<RedisSettings> & { readonly url: string };

interface Site {
  readonly encrypted: EncryptedSite;
  readonly site: RedisSite;
  /** Of servers that hold keys. */
  readonly ports: readonly number[];
  readonly password: string;
  readonly reached: Reached;
}

/** What a gateway owes servers that speak TLS, however many they are. */
export function describeEncryptedSite(getSite: () => Site): void {
  const services: RedisService[] = [];
  afterEach(() => {
    for (const service of services.splice(0)) service.onApplicationShutdown();
  });

  async function connect(tls: Partial<RedisSettings['tls']> = {}): Promise<RedisService> {
    const { encrypted, reached } = getSite();
    const service = new RedisService(buildRedisSettings({ ...reached, tls: { ...encrypted.own, ...tls } }));
    services.push(service);
    await service.onModuleInit();
    return service;
  }

  async function cutAll(): Promise<void> {
    const { encrypted, site, ports, password } = getSite();
    for (const port of ports) {
      const client = site.client(port, { ...encrypted.options, password });
      await client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }
  }

  it.each([
    [
      'an authority that does not know them',
      () => ({ caFile: getSite().encrypted.writeAuthority(new CertificateAuthority()) }),
      /self.signed|unable to (verify|get)/i,
    ],
    ['the public authorities', () => ({ caFile: '' }), /self.signed|unable to (verify|get)/i],
    ['another name', () => ({ serverName: 'redis.example' }), /redis\.example/],
  ])('are not believed by %s, whatever the environment says, and count as away', async (_, change, reason) => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const service = await connect(change());
      await waitUntil(() => service.health.reason !== 'not connected yet');
      expect(service.health).toMatchObject({ state: 'degraded', reason: expect.stringMatching(reason) });
      await expect(service.run((client) => client.ping())).rejects.toThrow(reason);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('refuse a gateway without a certificate, and one with a stranger’s, which goes on without them', async () => {
    const stranger = new CertificateAuthority().issue({ names: ['gateway'] });
    const { folder } = getSite().encrypted.files;
    const pair = { certFile: join(folder, 'stranger.crt'), keyFile: join(folder, 'stranger.key') };
    writeFileSync(pair.certFile, stranger.cert);
    writeFileSync(pair.keyFile, stranger.key);
    for (const tls of [{ certFile: '', keyFile: '' }, pair]) {
      const service = await connect(tls);
      await waitUntil(() => service.health.reason !== 'not connected yet');
      // Long enough for it to have tried again, and for what fails a second time.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      expect(service.health.state).toBe('degraded');
      expect(service.health.reason).toMatch(/alert|certificate|reset|EPIPE/i);
    }
  });

  it('are asked with the files as they are at each connection', async () => {
    const { clients, folder } = getSite().encrypted.files;
    const pair = { certFile: join(folder, 'turning.crt'), keyFile: join(folder, 'turning.key') };
    const issue = (authority: CertificateAuthority): void => {
      const { cert, key } = authority.issue({ names: ['gateway'] });
      writeFileSync(pair.certFile, cert);
      writeFileSync(pair.keyFile, key);
    };
    issue(clients);
    const service = await connect(pair);
    await waitUntil(() => service.isAvailable, 30_000);
    issue(new CertificateAuthority());
    await cutAll();
    await waitUntil(() => !service.isAvailable);
    // It would be back by now if it were believed.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(service.isAvailable).toBe(false);
    issue(clients);
    await waitUntil(() => service.isAvailable, 30_000);
    expect(await service.run((client) => client.set('turned', 'back'))).toBe('OK');
  });

  it('may show new certificates, which those who connect from then on have to believe', async () => {
    const { encrypted, site, ports, password } = getSite();
    const { files, own, next } = encrypted;
    const show = async (certFile: string, keyFile: string): Promise<void> => {
      for (const port of ports) {
        const client = site.client(port, { ...encrypted.options, password });
        await client.call('CONFIG', 'SET', 'tls-cert-file', certFile, 'tls-key-file', keyFile);
      }
    };
    const service = await connect();
    await waitUntil(() => service.isAvailable, 30_000);
    const known = readFileSync(own.caFile, 'utf8');
    const pair = { certFile: join(files.folder, 'next.crt'), keyFile: join(files.folder, 'next.key') };
    const { cert, key } = next.issue();
    writeFileSync(pair.certFile, cert);
    writeFileSync(pair.keyFile, key);
    await show(pair.certFile, pair.keyFile);
    await cutAll();
    await waitUntil(() => /self.signed|unable to (verify|get)/i.test(service.health.reason ?? ''));
    writeFileSync(own.caFile, `${known}${next.cert}`);
    await waitUntil(() => service.isAvailable, 30_000);
    expect(await service.run((client) => client.set('turned', 'again'))).toBe('OK');
    writeFileSync(own.caFile, known);
    await show(files.certFile, files.keyFile);
    await cutAll();
    await waitUntil(() => service.isAvailable, 30_000);
  });
}
