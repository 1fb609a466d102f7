import { existsSync, readdirSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hashApiKey, isWellFormedKey } from '../../../src/auth/api-key.js';
import { MIGRATIONS } from '../../../src/database/data-source.js';
import { removeEmbeddedPostgres } from '../../../src/database/embedded-postgres.js';
import { type Outcome, runCli } from '../../support/command-line.js';
import type { TestDatabase } from '../../support/postgres.js';
import { createDatabase, makeReachableFolder } from '../../support/postgres.js';

const PEPPER = 'a pepper that is used in tests only';
const root = process.cwd();

describe('the command line on a PostgreSQL server', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase({ migrated: false });
  });
  afterAll(() => database.drop());

  const run = (...parameters: string[]): Promise<Outcome> =>
    runCli(parameters, { DATABASE_URL: database.url, AEGIS_KEY_PEPPER: PEPPER });
  const countKeys = async (): Promise<number> =>
    (await database.query<{ count: number }>('SELECT count(*)::int AS count FROM api_key'))[0]?.count ?? -1;

  it('migrates forth and back', async () => {
    expect(await run('migrate')).toMatchObject({ code: 0, stdout: expect.stringContaining('CreateApiKeys') });
    expect(await run('migrate')).toMatchObject({ code: 0, stdout: 'The database is up to date.\n' });
    const last = MIGRATIONS.at(-1)?.name ?? 'none';
    expect(await run('migrate', '--revert')).toMatchObject({ code: 0, stdout: `Reverted ${last}.\n` });
    expect(await run('migrate')).toMatchObject({ code: 0, stdout: `Ran ${last}.\n` });
  });

  it('prints one JSON object alone, and stores the hash and every limit exactly', async () => {
    const { code, stdout, stderr } = await run(
      ...['keygen', '--org', 'acme', '--team', 'core', '--name', 'laptop', '--user', 'ada', '--env', 'ci'],
      ...['--classification', 'confidential', '--default-classification', 'PUBLIC', '--models', 'a,b', '--rpm', '60'],
      ...['--tpm', '100000', '--max-parallel', '4', '--budget-usd', '0.1', '--budget-window', 'day', '--json'],
    );
    expect(code).toBe(0);
    expect(stderr).toContain('models.yaml has no a, b yet');
    const made = JSON.parse(stdout);
    expect(isWellFormedKey(made.key)).toBe(true);
    expect(made).toMatchObject({
      organization: 'acme',
      team: 'core',
      user: 'ada',
      name: 'laptop',
      default_classification: 'PUBLIC',
      max_classification: 'CONFIDENTIAL',
      allowed_models: ['a', 'b'],
      rpm_limit: 60,
      tpm_limit: 100_000,
      max_parallel_requests: 4,
      budget_usd: '0.1',
      budget_window: 'day',
    });
    const [row] = await database.query('SELECT * FROM api_key WHERE id = $1', [made.id]);
    expect(row).toMatchObject({
      key_hash: hashApiKey(made.key, PEPPER),
      budget_nano_usd: '100000000',
      status: 'active',
    });
    expect(JSON.stringify(row)).not.toContain(made.key);
  });

  it('shows a key to a person once, and never again', async () => {
    const made = await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'shown');
    const key = made.stdout.split('\n')[0] ?? '';
    expect(isWellFormedKey(key)).toBe(true);
    const list = await run('keys', 'list', '--json');
    expect(list.stdout).toContain('"shown"');
    expect(list.stdout).not.toContain(key);
  });

  it('names everything that is wrong at once, and makes nothing', async () => {
    const before = await countKeys();
    const { code, stdout, stderr } = await run(
      ...['keygen', '--org', 'acme', '--team', '', '--rpm', 'many', '--budget-usd', '1e9', '--clasification', 'PUBLIC'],
    );
    expect(code).toBe(2);
    expect(stdout).toBe('');
    for (const option of ['--team', '--name', '--rpm', '--budget-usd', '--clasification'])
      expect(stderr).toContain(option);
    expect(await countKeys()).toBe(before);
  });

  it('revokes and rotates by id, prefix or the key itself', async () => {
    const mint = async () =>
      JSON.parse((await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'x', '--json')).stdout);
    const [one, two, three] = await Promise.all([mint(), mint(), mint()]);
    const revoked = await run('keys', 'revoke', one.key, '--reason', 'leaked', '--json');
    expect(JSON.parse(revoked.stdout)).toMatchObject({ id: one.id, status: 'revoked', revoked_reason: 'leaked' });
    expect(await run('keys', 'revoke', two.prefix)).toMatchObject({ code: 0, stdout: `${two.prefix} is revoked.\n` });
    expect(await run('keys', 'revoke', two.id)).toMatchObject({
      code: 0,
      stdout: `${two.prefix} was revoked before.\n`,
    });
    const rotated = JSON.parse((await run('keys', 'rotate', three.id, '--grace', '24h', '--json')).stdout);
    expect(rotated).toMatchObject({ replaces: three.id, name: 'x', status: 'active' });
    expect(rotated.key).not.toBe(three.key);
    expect(await run('keys', 'rotate', three.id)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`rotated to ${rotated.id}`),
    });
    expect(await run('keys', 'rotate', two.id)).toMatchObject({ code: 1, stdout: '' });
    expect(await run('keys', 'revoke', 'aegis-dev-nobody')).toMatchObject({ code: 2, stdout: '' });
  });

  it('gives the right to explain, shows it, and keeps it when a key is rotated', async () => {
    const mint = async (...options: string[]) =>
      JSON.parse((await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'e', '--json', ...options)).stdout);
    const [plain, explaining] = [await mint(), await mint('--allow-explain')];
    expect([plain.may_explain, explaining.may_explain]).toEqual([false, true]);
    const rotated = JSON.parse((await run('keys', 'rotate', explaining.id, '--json')).stdout);
    expect(rotated.may_explain).toBe(true);
    const { stdout } = await run('keys', 'list');
    expect(stdout).toContain('MAY EXPLAIN');
    expect(stdout.split('\n').find((line) => line.startsWith(rotated.id))).toMatch(/ yes /);
    expect(stdout.split('\n').find((line) => line.startsWith(plain.id))).toMatch(/ no /);
  });

  it('sets what teams and organizations may spend, exactly, shows it, and takes it away again', async () => {
    await run('keygen', '--org', 'budgeted', '--team', 'core', '--name', 'x');
    const organization = ['budgets', 'set', '--org', 'budgeted'];
    expect(await run(...organization, '--usd', '9007199.254740993')).toMatchObject({
      code: 0,
      stdout: 'The organization "budgeted" may spend 9007199.254740993 USD a month.\n',
    });
    await run(...organization, '--team', 'core', '--usd', '0.5', '--window', 'day');
    expect(JSON.parse((await run('budgets', 'list', '--json')).stdout)).toEqual([
      { organization: 'budgeted', team: null, budget_usd: '9007199.254740993', budget_window: 'month' },
      { organization: 'budgeted', team: 'core', budget_usd: '0.5', budget_window: 'day' },
    ]);
    expect((await run(...organization, '--usd', 'none', '--json')).stdout).toBe(
      '{"organization":"budgeted","team":null,"budget_usd":null,"budget_window":null}\n',
    );
    await run(...organization, '--team', 'core', '--usd', 'none');
    expect((await run('budgets', 'list')).stdout).toBe('No team or organization has a budget.\n');
    const wrong = await run('budgets', 'set', '--org', 'budgeted', '--usd', 'much', '--window', 'week');
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    for (const option of ['--usd', '--window']) expect(wrong.stderr).toContain(option);
    const nobody = await run('budgets', 'set', '--org', 'nobody', '--usd', '1');
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no organization "nobody"') });
  });

  it('shows everything of a key but itself and its hash', async () => {
    const made = JSON.parse(
      (await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'shown', '--rpm', '7', '--json')).stdout,
    );
    const { key, ...facts } = made;
    const shown = await run('keys', 'show', made.id, '--json');
    expect(JSON.parse(shown.stdout)).toEqual(facts);
    const [row] = await database.query<{ key_hash: string }>('SELECT key_hash FROM api_key WHERE id = $1', [made.id]);
    for (const reference of [made.prefix, key]) {
      const { code, stdout } = await run('keys', 'show', reference);
      expect(code).toBe(0);
      for (const field of Object.keys(facts)) expect(stdout).toContain(field);
      expect(stdout).not.toContain(key);
      expect(stdout).not.toContain(row?.key_hash);
    }
    expect(await run('keys', 'show', 'aegis-dev-nobody')).toMatchObject({ code: 2, stdout: '' });
  });

  it('changes what a key may do, clears what may be absent, and changes nothing where anything is wrong', async () => {
    const made = JSON.parse(
      (
        await run(
          ...['keygen', '--org', 'acme', '--team', 'core', '--name', 'old', '--rpm', '7', '--models', 'a'],
          ...['--budget-usd', '5', '--json'],
        )
      ).stdout,
    );
    const changed = await run(
      ...['keys', 'update', made.id, '--name', 'new', '--rpm', 'none', '--tpm', '900', '--models', 'all', '--json'],
      ...['--classification', 'RESTRICTED', '--allow-explain', '--expires', '2099-01-01'],
    );
    expect(changed.code).toBe(0);
    const { key: _secret, ...before } = made;
    expect(JSON.parse(changed.stdout)).toEqual({
      ...before,
      name: 'new',
      rpm_limit: null,
      tpm_limit: 900,
      allowed_models: null,
      max_classification: 'RESTRICTED',
      may_explain: true,
      expires_at: '2099-01-01T00:00:00.000Z',
    });
    const again = await run('keys', 'update', made.prefix, '--no-allow-explain', '--budget-usd', 'none', '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ may_explain: false, budget_usd: null, budget_window: null });
    const wrong = await run('keys', 'update', made.id, '--rpm', '3', '--classification', 'PUBLIC');
    expect(wrong).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('INTERNAL') });
    expect(JSON.parse((await run('keys', 'show', made.id, '--json')).stdout).rpm_limit).toBeNull();
    expect(await run('keys', 'update', made.id)).toMatchObject({ code: 2, stdout: '' });
    expect(await run('keys', 'update', made.id, '--rpmm', '3')).toMatchObject({ code: 2, stdout: '' });
    await run('keys', 'revoke', made.id);
    expect(await run('keys', 'update', made.id, '--rpm', '3')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('revoked'),
    });
  });

  it('lets the old key of a rotation overlap with the new one', async () => {
    const made = JSON.parse(
      (await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'rotated', '--json')).stdout,
    );
    const rotated = await run('keys', 'rotate', made.id, '--overlap', '24h', '--json');
    expect(JSON.parse(rotated.stdout)).toMatchObject({ replaces: made.id, status: 'active', expires_at: null });
    const old = JSON.parse((await run('keys', 'show', made.id, '--json')).stdout);
    expect(old.status).toBe('active');
    expect(Math.abs(Date.parse(old.expires_at) - Date.now() - 86_400_000)).toBeLessThan(60_000);
    expect(await run('keys', 'rotate', made.id, '--overlap', '1h', '--grace', '1h')).toMatchObject({ code: 2 });
  });

  it('explains a decision with the limits of a key', async () => {
    const { key, prefix } = JSON.parse(
      (await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'limited', '--models', 'aegis-fast', '--json'))
        .stdout,
    );
    const explained = await run('explain', '--model', 'aegis-fast', '--key', prefix, '--json');
    expect(explained).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(explained.stdout)).toMatchObject({
      object: 'aegis.routing_decision',
      key: { prefix, max_classification: 'INTERNAL' },
      outcome: 'would_call',
      live_state: 'unknown',
    });
    expect(explained.stdout).not.toContain(key);
    const above = await run('explain', '--model', 'aegis-fast', '--key', prefix, '--classification', 'restricted');
    expect(above).toMatchObject({ code: 2, stdout: expect.stringContaining('classification_denied (403)') });
    const unknown = await run('explain', '--model', 'aegis-fast', '--key', 'aegis-dev-nobody');
    expect(unknown).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('no such key') });
  });

  it('says whether journal, ledger and counters agree, and that what it cannot ask is not proven', async () => {
    const folder = makeReachableFolder();
    const reconcile = (environment: Record<string, string>, ...options: string[]): Promise<Outcome> =>
      runCli(['reconcile', ...options], {
        DATABASE_URL: database.url,
        AEGIS_KEY_PEPPER: PEPPER,
        AEGIS_JOURNAL_DIR: folder,
        ...environment,
      });
    const alone = await reconcile({});
    expect(alone).toMatchObject({ code: 0, stdout: expect.stringContaining('Journal and ledger agree.') });
    expect(alone.stdout).toContain('Without Redis budgets are counted within each gateway');
    const away = await reconcile({ REDIS_URL: 'redis://127.0.0.1:1' });
    expect(away).toMatchObject({ code: 2, stdout: expect.stringContaining('Redis cannot be asked') });
    await rm(folder, { recursive: true });
  });

  it('names every key that an ambiguous prefix may mean, and explains none of them', async () => {
    const mint = async () =>
      JSON.parse((await run('keygen', '--org', 'acme', '--team', 'core', '--name', 'twin', '--json')).stdout);
    const twins = [await mint(), await mint()];
    await database.query('UPDATE api_key SET key_prefix = $1 WHERE name = $2', ['aegis-dev-twins', 'twin']);
    const { code, stdout, stderr } = await run('explain', '--model', 'aegis-fast', '--key', 'aegis-dev-twins');
    expect([code, stdout]).toEqual([1, '']);
    for (const { id } of twins) expect(stderr).toContain(id);
  });

  it('says what is wrong with the configuration, or that nothing is', async () => {
    expect(await run('config', 'check')).toMatchObject({ code: 0, stdout: expect.stringContaining('is valid') });
    const wrong = await runCli(['config', 'check'], { AEGIS_CONFIG_DIR: '/nonexistent' });
    expect(wrong).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('/nonexistent') });
  });

  it('warns of targets without a price in a configuration that is valid', async () => {
    const folder = makeReachableFolder();
    await cp(path.join(root, 'config'), folder, { recursive: true });
    await writeFile(path.join(folder, 'pricing.yaml'), 'version: "1"\nprices: []\n');
    const { code, stdout, stderr } = await runCli(['config', 'check'], { AEGIS_CONFIG_DIR: folder });
    expect([code, stdout]).toEqual([0, expect.stringContaining('is valid')]);
    expect(stderr).toContain('pricing.yaml has no price for openai/gpt-4o: this target is never used');
    await rm(folder, { recursive: true });
  });

  it('says everything that would keep the gateway from starting, the secret rules included, and each thing once', async () => {
    const folder = makeReachableFolder();
    await writeFile(path.join(folder, 'models.yaml'), 'models: {a: {primray: x}}\n');
    await writeFile(path.join(folder, 'secret-rules.yaml'), 'rules:\n  - {id: Bad Id}\n');
    const { code, stdout, stderr } = await runCli(['config', 'check'], { AEGIS_CONFIG_DIR: folder });
    expect([code, stdout]).toEqual([1, '']);
    for (const part of ['primray', 'providers.yaml', 'secret-rules.yaml:2']) expect(stderr).toContain(part);
    expect(stderr.match(/primray/g)).toHaveLength(1);
    await rm(folder, { recursive: true });
  });

  it('removes no data of a database that is not its own, unless it is told twice', async () => {
    const before = await countKeys();
    expect(await run('migrate', '--reset')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect(await countKeys()).toBe(before);
  });

  it('fails in words where the database cannot be reached', async () => {
    const outcome = await runCli(['keygen', '--org', 'a', '--team', 'b', '--name', 'c', '--json'], {
      DATABASE_URL: 'postgres://aegis:secret-password@127.0.0.1:1/aegis',
      AEGIS_KEY_PEPPER: PEPPER,
    });
    expect(outcome).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('ECONNREFUSED') });
    expect(outcome.stderr).not.toContain('secret-password');
  });

  it('refuses to remove all data in production', async () => {
    const outcome = await runCli(['migrate', '--reset'], {
      DATABASE_URL: database.url,
      AEGIS_KEY_PEPPER: PEPPER,
      NODE_ENV: 'production',
    });
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('--reset') });
    expect(await countKeys()).toBeGreaterThan(0);
  });
});

describe('the command line without a database', () => {
  let folder: string;
  beforeAll(() => {
    folder = makeReachableFolder();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const explain = (...parameters: string[]): Promise<Outcome> =>
    runCli(['explain', ...parameters], { AEGIS_DATA_DIR: folder });

  it('explains where a request would go, and starts nothing', async () => {
    const { code, stdout, stderr } = await explain('--model', 'aegis-fast');
    expect([code, stderr]).toEqual([0, '']);
    for (const part of ['TARGET', 'simulator', 'unconfigured', 'would call', 'not known here']) {
      expect(stdout).toContain(part);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('exits with 2 where nobody would be called, and says why on standard output', async () => {
    const { code, stdout, stderr } = await explain('--model', 'aegis-fast', '--classification', 'RESTRICTED', '--json');
    expect([code, stderr]).toEqual([2, '']);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'classification_denied', eligible: [] });
  });

  it.each([
    ['no model', [], '--model is missing'],
    ['an unknown model', ['--model', 'aegis-quick'], 'aegis-fast'],
    ['an unknown level', ['--model', 'aegis-fast', '--classification', 'SECRET'], 'PUBLIC, INTERNAL'],
    ['a mistyped option', ['--modell', 'aegis-fast'], '--modell'],
    ['an option without its value', ['--model'], '--model'],
  ])('exits with 1 for %s: no answer looks like one', async (_name, parameters, part) => {
    expect(await explain(...parameters)).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(part) });
  });

  it('exits with 0 where help is asked for', async () => {
    expect(await explain('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('Exit code') });
  });

  it('says of a wrong configuration what `config check` says', async () => {
    const broken = makeReachableFolder();
    await writeFile(path.join(broken, 'models.yaml'), 'models: {a: {primray: x}}\n');
    const [explained, checked] = await Promise.all(
      [
        ['explain', '--model', 'a'],
        ['config', 'check'],
      ].map((command) => runCli(command, { AEGIS_CONFIG_DIR: broken })),
    );
    expect(explained).toEqual(checked);
    expect(explained).toMatchObject({ code: 1, stderr: expect.stringContaining('primray') });
    await rm(broken, { recursive: true });
  });
});

describe('the command line with nothing configured', () => {
  let folder: string;
  beforeAll(() => {
    folder = makeReachableFolder();
  });
  afterAll(async () => {
    await removeEmbeddedPostgres(folder);
    await rm(folder, { recursive: true, force: true });
  });

  it('makes keys on the embedded database, several at once, and leaves no server behind', async () => {
    const mint = (name: string): Promise<Outcome> =>
      runCli(['keygen', '--org', 'acme', '--team', 'core', '--name', name, '--json'], { AEGIS_DATA_DIR: folder });
    const outcomes = await Promise.all(['one', 'two'].map(mint));
    for (const { code, stdout, stderr } of outcomes) {
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(isWellFormedKey(JSON.parse(stdout).key)).toBe(true);
    }
    const list = await runCli(['keys', 'list', '--json'], { AEGIS_DATA_DIR: folder });
    expect(
      JSON.parse(list.stdout)
        .map((key: { name: string }) => key.name)
        .sort(),
    ).toEqual(['one', 'two']);
    expect(existsSync(path.join(folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  });
});
