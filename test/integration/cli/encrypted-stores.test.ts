import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Logger } from '@nestjs/common';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { readSigningKey } from '../../../src/audit/signing-key.js';
import { KEY_CHANGED_CHANNEL } from '../../../src/auth/redis-key.cache.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import type { PostgresServer } from '../../faults/support/postgres-server.js';
import { ChainBuilder } from '../../support/audit-chains.js';
import { CertificateAuthority } from '../../support/certificates.js';
import { type Outcome, runCli } from '../../support/command-line.js';
import { startEncryptedPostgres } from '../../support/encrypted-postgres.js';
import { makeReachableFolder } from '../../support/postgres.js';
import { describeWithOwnRedis } from '../../support/redis.js';
import { RedisSite } from '../../support/redis-sites.js';
import { waitUntil } from '../auth/replica.js';
import { EncryptedSite } from '../redis/encrypted-sites.js';

Logger.overrideLogger(false);

const PASSWORD = 'of both %stores';

describeWithOwnRedis('the command line on a PostgreSQL and a Redis that speak TLS alone and want certificates', () => {
  let encrypted: EncryptedSite;
  let postgres: PostgresServer;
  let site: RedisSite;
  let folder: string;
  let environment: Record<string, string>;
  const announced: string[] = [];

  beforeAll(async () => {
    encrypted = new EncryptedSite();
    postgres = await startEncryptedPostgres(encrypted.files, PASSWORD);
    site = new RedisSite();
    const options = { ...encrypted.options, password: PASSWORD };
    const port = await site.start([...encrypted.parameters, '--requirepass', PASSWORD], options);
    const listener = site.client(port, options);
    await listener.subscribe(KEY_CHANGED_CHANNEL);
    listener.on('message', (_, keyHash: string) => announced.push(keyHash));
    folder = makeReachableFolder();
    cpSync(path.join(process.cwd(), 'config'), path.join(folder, 'config'), { recursive: true });
    environment = {
      AEGIS_CONFIG_DIR: path.join(folder, 'config'),
      DATABASE_URL: `postgres://gateway@127.0.0.1:${postgres.port}${new URL(postgres.url).pathname}`,
      REDIS_URL: `rediss://127.0.0.1:${port}`,
      STORE_PASSWORD: PASSWORD,
      AEGIS_KEY_PEPPER: 'a pepper that is used in tests only',
      AEGIS_JOURNAL_DIR: path.join(folder, 'journal'),
      AEGIS_DATA_DIR: folder,
      AEGIS_AUDIT_KEY_FILE: path.join(folder, 'audit.pem'),
    };
    writeGateway(encrypted.own);
  });
  afterAll(async () => {
    await site.close();
    await postgres.remove();
    encrypted.files.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => writeGateway(encrypted.own));

  /** `own`: what the stores are shown, and who vouches for them. */
  function writeGateway({ caFile, certFile, keyFile }: EncryptedSite['own'], redis = { caFile }): void {
    const file = path.join(folder, 'config', 'gateway.yaml');
    const of = (authority: string): string =>
      `  password: "\${STORE_PASSWORD}"\n  tls: {ca_file: ${authority}, cert_file: ${certFile}, key_file: ${keyFile}}\n`;
    const text = readFileSync(path.join(process.cwd(), 'config', 'gateway.yaml'), 'utf8')
      .replace('database:\n', (line) => line + of(caFile))
      .replace('redis:\n', (line) => line + of(redis.caFile));
    writeFileSync(file, text);
  }

  function strangersAuthority(): string {
    return encrypted.writeAuthority(new CertificateAuthority());
  }

  const run = (...parameters: string[]): Promise<Outcome> => runCli(parameters, environment);
  const countKeys = async (): Promise<number> =>
    (await postgres.query<{ count: number }>('SELECT count(*)::int AS count FROM api_key'))[0]?.count ?? -1;

  async function mint(): Promise<{ readonly id: string }> {
    const made = await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'laptop', '--json');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    return JSON.parse(made.stdout) as { id: string };
  }

  /** What running gateways were told of meanwhile, over Redis: a key that changed. */
  async function expectTold(action: () => Promise<Outcome>): Promise<void> {
    announced.length = 0;
    const outcome = await action();
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    await waitUntil(() => announced.length > 0);
  }

  it('migrates forth and back', async () => {
    expect(await run('migrate')).toMatchObject({ code: 0, stdout: 'The database is up to date.\n', stderr: '' });
    expect(await run('migrate', '--revert')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Reverted /) });
    expect(await run('migrate')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Ran /) });
  });

  it('makes, shows, changes, rotates and ends keys, and tells running gateways', async () => {
    const { id } = await mint();
    expect(JSON.parse((await run('keys', 'list', '--json')).stdout)).toMatchObject([{ id }]);
    expect(await run('keys', 'show', id)).toMatchObject({ code: 0, stderr: '' });
    await expectTold(() => run('keys', 'update', id, '--rpm', '7'));
    await expectTold(() => run('keys', 'rotate', id, '--overlap', '1h'));
    await expectTold(() => run('keys', 'revoke', id));
    expect(JSON.parse((await run('keys', 'show', id, '--json')).stdout)).toMatchObject({
      status: 'revoked',
      rpm_limit: 7,
    });
  });

  it('sets budgets and shows them, and tells running gateways', async () => {
    await mint();
    await expectTold(() => run('budgets', 'set', '--org', 'acme', '--usd', '12.5'));
    expect(JSON.parse((await run('budgets', 'list', '--json')).stdout)).toMatchObject([{ budget_usd: '12.5' }]);
  });

  it('asks both whether journal, ledger and counters agree', async () => {
    const { code, stdout } = await run('reconcile', '--json');
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ agrees: true })]);
    expect(JSON.parse(stdout)).toMatchObject({ counters: { kind: 'compared', agree: true } });
  });

  it('verifies, exports, proves and purges the audit', async () => {
    const keyFile = path.join(folder, 'audit.pem');
    expect(await run('audit', 'keygen', '--output', keyFile)).toMatchObject({ code: 0 });
    const chain = new ChainBuilder(readSigningKey(readFileSync(keyFile, 'utf8'))).events(20).seal().events(5).close();
    const service = new DatabaseService(buildDatabaseSettings({ url: postgres.url }));
    try {
      await service.onModuleInit();
      await new AuditStore(service).insert(chain.records);
    } finally {
      await service.onApplicationShutdown();
    }
    expect(await run('audit', 'verify')).toMatchObject({ code: 0, stdout: expect.stringContaining('is whole') });
    const file = path.join(folder, 'export.jsonl');
    expect(await run('audit', 'export', '--output', file)).toMatchObject({ code: 0, stderr: '' });
    expect(await run('audit', 'verify', file)).toMatchObject({ code: 0 });
    expect(await run('audit', 'prove', `${chain.writer}:5`)).toMatchObject({ code: 0, stderr: '' });
    expect((await run('audit', 'purge', '--before', '2026-11-01', '--json')).stdout).toContain(
      `"removed":${chain.records.length}`,
    );
  });

  it('does nothing on a PostgreSQL that cannot prove who it is, or that it has no certificate for, and says why', async () => {
    const before = await countKeys();
    const keygen = () => run('keygen', '--org', 'acme', '--team', 'core', '--name', 'never', '--json');
    writeGateway({ ...encrypted.own, caFile: strangersAuthority() }, encrypted.own);
    const all = [keygen(), run('keys', 'list'), run('migrate'), run('audit', 'verify')];
    for (const { code, stdout, stderr } of await Promise.all(all)) {
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/unable to (verify|get)|self.signed/i);
      expect(stderr).not.toContain(PASSWORD);
    }
    writeGateway({ ...encrypted.own, certFile: '""', keyFile: '""' });
    expect(await keygen()).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/certificate/i) });
    expect(await countKeys()).toBe(before);
    // Each command gives a database ten seconds.
  }, 90_000);

  it('ends a key without a Redis that cannot prove who it is, says that gateways learn of it later, and why', async () => {
    const { id } = await mint();
    announced.length = 0;
    writeGateway(encrypted.own, { caFile: strangersAuthority() });
    const { code, stdout, stderr } = await run('keys', 'revoke', id);
    expect([code, stdout]).toEqual([0, expect.stringContaining('is revoked')]);
    expect(stderr).toMatch(/unable to (verify|get)|self.signed/i);
    const compared = await run('reconcile');
    expect(compared).toMatchObject({ code: 2, stdout: expect.stringContaining('Redis cannot be asked') });
    expect(announced).toEqual([]);
  });
});
