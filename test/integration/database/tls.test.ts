import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildAccess } from '../../../src/database/database-access.js';
import { buildDatabaseSettings, type DatabaseSettings } from '../../../src/database/database-settings.js';
import { runMigrations } from '../../../src/database/migrate.js';
import type { PostgresServer } from '../../faults/support/postgres-server.js';
import { CertificateAuthority } from '../../support/certificates.js';
import { startEncryptedPostgres } from '../../support/encrypted-postgres.js';
import { TlsFolder } from '../../support/tls-files.js';
import { waitUntil } from '../auth/replica.js';

Logger.overrideLogger(false);

const PASSWORD = 'n@t %41 url/escaped';

describe('a PostgreSQL that speaks TLS alone', () => {
  let files: TlsFolder;
  let server: PostgresServer;
  let tls: DatabaseSettings['tls'];
  const services: DatabaseService[] = [];
  beforeAll(async () => {
    files = new TlsFolder();
    server = await startEncryptedPostgres(files, PASSWORD);
    tls = files.ownOf('gateway');
  });
  afterEach(async () => {
    for (const service of services.splice(0)) await service.onApplicationShutdown();
  });
  afterAll(async () => {
    await server.remove();
    files.remove();
  });

  function addressOf(query = ''): string {
    const url = new URL(server.url);
    return `postgres://gateway@127.0.0.1:${server.port}${url.pathname}${query}`;
  }

  async function connect(changes: Partial<DatabaseSettings> = {}): Promise<DatabaseService> {
    const settings = { url: addressOf(), tls, password: () => PASSWORD, migrateOnStart: false, ...changes };
    const service = new DatabaseService(buildDatabaseSettings(settings));
    services.push(service);
    await service.onModuleInit();
    return service;
  }

  it.each(['', '?sslmode=require', '?sslmode=verify-full', '?ssl=true'])(
    'is spoken to over TLS by an address with %j',
    async (query) => {
      const service = await connect({ url: addressOf(query) });
      expect(service.health).toEqual({ state: 'healthy', reason: null });
      const rows = await service.run<{ ssl: boolean }[]>((manager) =>
        manager.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'),
      );
      expect(rows).toEqual([{ ssl: true }]);
    },
  );

  it('is migrated over TLS, too', async () => {
    const access = buildAccess({ url: addressOf(), tls, password: () => PASSWORD });
    expect(await runMigrations(access)).toEqual([]);
  });

  it.each([
    [
      'an authority that does not know it',
      () => ({ ...tls, caFile: strangersAuthority() }),
      /unable to (verify|get)|self.signed/i,
    ],
    ['the public authorities', () => ({ ...tls, caFile: '' }), /unable to (verify|get)|self.signed/i],
    ['another name', () => ({ ...tls, serverName: 'db.example' }), /db\.example/],
  ])('is not believed by %s, whatever the environment says', async (_, change, reason) => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const service = await connect({ tls: change(), url: addressOf('?sslmode=require') });
      expect(service.health).toMatchObject({ state: 'down', reason: expect.stringMatching(reason) });
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('refuses a gateway without a certificate, and one without TLS', async () => {
    expect((await connect({ tls: { ...tls, certFile: '', keyFile: '' } })).isAvailable).toBe(false);
    const none = { caFile: '', certFile: '', keyFile: '', serverName: '' };
    expect((await connect({ tls: none })).isAvailable).toBe(false);
  });

  it('keeps a gateway from starting where a file cannot be used, and says which', async () => {
    const wrong = connect({ tls: { ...tls, keyFile: files.keyFile } });
    await expect(wrong).rejects.toThrow(`${files.keyFile}: is not the key of the certificate in ${tls.certFile}`);
    services.pop();
  });

  it('is asked with the password as it is at each connection', async () => {
    let password = PASSWORD;
    const service = await connect({ password: () => password });
    password = 'the next one';
    await server.query(`ALTER ROLE gateway PASSWORD '${password}'`);
    await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'`);
    await waitUntil(async () => {
      const rows = await service.run<unknown[]>((manager) => manager.query('SELECT 1 AS one')).catch(() => []);
      return rows.length === 1;
    });
  });

  function strangersAuthority(): string {
    const file = join(files.folder, 'strangers.crt');
    writeFileSync(file, new CertificateAuthority().cert);
    return file;
  }
});
