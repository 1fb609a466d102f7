import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { hashApiKey } from '../../../src/auth/api-key.js';
import { MIGRATIONS } from '../../../src/database/data-source.js';
import { revertLastMigration, runMigrations } from '../../../src/database/migrate.js';
import { MAX_FRAME_BYTES, writeFrame } from '../../../src/journal/frames.js';
import { buildOrder, PEPPER, waitUntil } from '../../integration/auth/replica.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithOwnRedis, startRedis } from '../../support/redis.js';
import { WorkerGateway, type WorkerOptions } from '../../support/worker-gateway.js';
import { type Catalog, findContractions, readCatalog } from '../support/catalog.js';
import { Cleanup } from '../support/cleanup.js';
import { Clients, failuresOf } from '../support/clients.js';
import { note } from '../support/notes.js';

const DEADLINE_MS = 120_000;

/** What versions before this one wrote, as they wrote it. Statements are added with a migration and never changed. */
const EARLIER_STATEMENTS: readonly (readonly [since: string, statement: string])[] = [
  [
    'CreateOrganizationsAndTeams1790000000000',
    "INSERT INTO organization (id, name) VALUES ('00000000-0000-4000-8000-000000000001', 'earlier') ON CONFLICT (name) DO UPDATE SET name = excluded.name",
  ],
  [
    'CreateOrganizationsAndTeams1790000000000',
    "INSERT INTO team (id, organization_id, name) VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'core')",
  ],
  [
    'CreateApiKeys1790000000001',
    `INSERT INTO api_key (id, key_hash, key_prefix, team_id, name, default_classification, max_classification, rpm_limit, budget_nano_usd, budget_window)
     VALUES ('00000000-0000-4000-8000-000000000003', repeat('a', 64), 'aegis-test-earlier', '00000000-0000-4000-8000-000000000002', 'laptop', 'INTERNAL', 'CONFIDENTIAL', 60, 5, 'month')`,
  ],
  ['CreateApiKeys1790000000001', "UPDATE api_key SET last_used_at = now() WHERE key_hash = repeat('a', 64)"],
  [
    'CreateApiKeys1790000000001',
    "UPDATE api_key SET status = 'revoked', revoked_at = now(), changed_at = now() WHERE key_hash = repeat('a', 64)",
  ],
  [
    'CreateUsage1790000000010',
    `INSERT INTO usage_request (id, request_id, key_id, organization, team, stream, status, ending, started_at, duration_ms, upstream_ms, usage_source, price_version)
     VALUES ('00000000-0000-4000-8000-000000000004', 'r', '00000000-0000-4000-8000-000000000003', 'earlier', 'core', false, 200, 'complete', now(), 1, 1, 'provider', 'v1')`,
  ],
  [
    'CreateUsage1790000000010',
    `INSERT INTO usage_attempt (usage_request_id, position, provider, model, outcome, duration_ms, usage_source)
     VALUES ('00000000-0000-4000-8000-000000000004', 0, 'p', 'm', 'success', 1, 'provider')`,
  ],
  [
    'CreateAudit1790000000030',
    `INSERT INTO audit_record (writer, seq, hash, at, type, record)
     VALUES ('00000000-0000-4000-8000-000000000005', 1, '\\x00', now(), 'request', '{}')`,
  ],
];

/** What the version after this one may do to the tables: they grow, and one that nobody knows is there. */
const NEXT_MIGRATION: readonly string[] = [
  'CREATE TABLE from_the_future (id bigint PRIMARY KEY)',
  ...['organization', 'team', 'api_key', 'usage_request', 'usage_attempt', 'audit_record', 'audit_change'].flatMap(
    (table) => [
      `ALTER TABLE ${table} ADD COLUMN future_note text`,
      `ALTER TABLE ${table} ADD COLUMN future_count integer NOT NULL DEFAULT 7`,
    ],
  ),
  `INSERT INTO schema_migration (timestamp, name) VALUES (1999999999999, 'FromTheFuture1999999999999')`,
];

describe('two versions on one database', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function makeDatabase(): Promise<TestDatabase> {
    const database = await createDatabase({ migrated: true });
    cleanup.add(() => database.drop());
    return database;
  }

  async function makeGateway(options: WorkerOptions): Promise<WorkerGateway> {
    const gateway = await WorkerGateway.start({ workers: 1, ...options });
    cleanup.add(() => gateway.close());
    return gateway;
  }

  const countUsage = async (database: TestDatabase): Promise<number> =>
    Number((await database.query<{ count: string }>('SELECT count(*) FROM usage_request'))[0]?.count);

  it(
    'row 61: every migration only adds: what the version before reads and writes stays',
    async () => {
      const database = await makeDatabase();
      const steps: { readonly name: string; readonly after: Catalog }[] = [];
      for (const { name } of [...MIGRATIONS].reverse()) {
        steps.unshift({ name, after: await readCatalog(database) });
        await revertLastMigration(database.url);
      }
      for (const [index, { name, after }] of steps.entries()) {
        const before = steps[index - 1]?.after ?? { columns: [], rules: [] };
        expect({ name, problems: findContractions(before, after) }).toEqual({ name, problems: [] });
      }
      note(`${steps.length} migrations, ${steps.at(-1)?.after.columns.length} columns`);
    },
    DEADLINE_MS,
  );

  it(
    'row 61: a migration that takes something away is found',
    async () => {
      const database = await makeDatabase();
      const before = await readCatalog(database);
      for (const statement of [
        'ALTER TABLE team RENAME COLUMN name TO title',
        'ALTER TABLE api_key ADD COLUMN owner text NOT NULL',
        'ALTER TABLE api_key ALTER COLUMN user_name SET NOT NULL',
        'ALTER TABLE api_key ALTER COLUMN rpm_limit TYPE bigint',
        'ALTER TABLE api_key ADD CONSTRAINT named CHECK (length(key_prefix) > 3)',
        'CREATE UNIQUE INDEX one_model ON usage_request (model)',
        'ALTER TABLE audit_record ALTER COLUMN stored_at DROP DEFAULT',
      ]) {
        await database.query(statement);
      }
      expect(findContractions(before, await readCatalog(database)).sort()).toEqual([
        'api_key.named is a new rule',
        'api_key.owner must be given',
        'api_key.rpm_limit is int8 instead of int4',
        'api_key.user_name may not be empty any more',
        'audit_record.stored_at has lost its default',
        'team.name is gone',
        'team.title must be given',
        'usage_request.one_model is a new rule',
      ]);
    },
    DEADLINE_MS,
  );

  it(
    'row 61: what earlier versions wrote is taken by the tables as they are now',
    async () => {
      const database = await makeDatabase();
      const known = MIGRATIONS.map(({ name }) => name);
      for (const [since, statement] of EARLIER_STATEMENTS) {
        expect(known).toContain(since);
        await database.query(statement);
      }
      const [key] = await database.query<{ status: string }>(
        "SELECT status FROM api_key WHERE key_hash = repeat('a', 64)",
      );
      expect(key?.status).toBe('revoked');
    },
    DEADLINE_MS,
  );

  it(
    'row 61: tables of the version after, under load: this one goes on, starts, makes and revokes keys, records',
    async () => {
      const database = await makeDatabase();
      const gateway = await makeGateway({ databaseUrl: database.url });
      const clients = Clients.start(gateway);
      await clients.answered(10);
      for (const statement of NEXT_MIGRATION) await database.query(statement);
      await clients.answered(20);
      const early = await clients.stop();
      gateway.process.child.kill('SIGTERM');
      expect(await gateway.process.exited).toBe(0);
      await gateway.spawn();
      const key = await gateway.mint({ keyName: 'later' });
      const answers = await gateway.askMany(10, {}, { key });
      const { record } = await gateway.operator.administration.mint('test', buildOrder());
      await gateway.operator.administration.revoke(record, 'no longer');
      const served = early.length + answers.length;
      await waitUntil(async () => (await countUsage(database)) === served, 30_000);
      note(`${served} requests, all in the ledger`);
      expect(failuresOf([...early, ...answers])).toEqual([]);
      // The command line of this version finds nothing to do, and takes nothing back that it does not know.
      expect(await runMigrations(database.url)).toEqual([]);
      expect(await database.query('SELECT * FROM from_the_future')).toEqual([]);
    },
    DEADLINE_MS,
  );

  it(
    'row 61: tables of the version before: they are brought up to date before the first request, all that is there stays',
    async () => {
      const database = await makeDatabase();
      const gateway = await makeGateway({ databaseUrl: database.url, isStarted: false });
      await revertLastMigration(database.url);
      await gateway.spawn();
      expect((await gateway.ask()).status).toBe(200);
      expect(await runMigrations(database.url)).toEqual([]);
      await waitUntil(async () => (await countUsage(database)) === 1);
    },
    DEADLINE_MS,
  );

  it(
    'row 61: tables of the version before, and no right to change them: not ready, says why, serves nobody wrongly',
    async () => {
      const database = await makeDatabase();
      const gateway = await makeGateway({ databaseUrl: database.url, isStarted: false });
      await revertLastMigration(database.url);
      const role = `plain_${process.pid}_${Date.now()}`;
      const url = new URL(database.url);
      const name = url.pathname.slice(1);
      await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'plain'`);
      cleanup.add(async () => {
        await database.query(`DROP OWNED BY ${role}`);
        await database.query(`DROP ROLE ${role}`);
      });
      await database.query(`GRANT CONNECT ON DATABASE ${name} TO ${role}`);
      await database.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
      await database.query(`REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
      [url.username, url.password] = [role, 'plain'];
      gateway.writeConfig(['alias'], { database: { url: url.toString() } });
      await gateway.spawn();
      const answer = await gateway.ask();
      note(`${answer.status} ${/"code":"(\w+)"/.exec(answer.text)?.[1]}`);
      expect(answer.status).toBe(503);
      expect(gateway.process.output()).toMatch(/The database cannot be used: .*permission denied/);
      expect(gateway.process.child.exitCode).toBeNull();
      // As soon as somebody who may has done it, it serves, without a restart.
      await runMigrations(database.url);
      await database.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
      await database.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${role}`);
      await waitUntil(async () => (await gateway.ask()).status === 200, 30_000);
    },
    DEADLINE_MS,
  );

  it(
    'row 61: a journal with entries of another version: what can be read is shipped, the file with the rest is kept',
    async () => {
      const database = await makeDatabase();
      const gateway = await makeGateway({ databaseUrl: database.url });
      await waitUntil(async () => (await gateway.ask()).status === 200);
      await waitUntil(async () => (await countUsage(database)) === 1);
      // It has no time to ship these.
      await gateway.askMany(5);
      gateway.process.child.kill('SIGKILL');
      await gateway.process.exited;
      const journal = join(gateway.folder, 'journal');
      const segments = readdirSync(journal, { recursive: true })
        .map(String)
        .filter((name) => name.endsWith('.segment') && !name.includes('audit'));
      const frame = Buffer.alloc(MAX_FRAME_BYTES);
      const length = writeFrame('R{"form":"of the future"}', frame);
      for (const name of segments) appendFileSync(join(journal, name), frame.subarray(0, length));
      await gateway.spawn();
      await waitUntil(async () => (await countUsage(database)) === 6, 40_000);
      expect(gateway.process.output()).toContain('of a form this version does not know');
      await waitUntil(() =>
        readdirSync(journal, { recursive: true }).some((name) => String(name).endsWith('.damaged')),
      );
      expect((await gateway.ask()).status).toBe(200);
    },
    DEADLINE_MS,
  );
});

describeWithOwnRedis('two versions on one Redis', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it(
    'row 61: entries, words and fields of another version: no right is guessed, none is lost, limits and revocation hold',
    async () => {
      const redis = await startRedis();
      cleanup.add(() => redis.close());
      const gateway = await WorkerGateway.start({ workers: 1, redisUrl: redis.url });
      cleanup.add(() => gateway.close());
      const client = new Redis(redis.url);
      cleanup.add(() => client.disconnect());
      for (const entry of ['v1.c2VhbA.{"status":"revoked"}', 'v3.c2VhbA.{"status":"active"}', 'v3', '{"key":1}', '']) {
        const key = await gateway.mint();
        const hash = hashApiKey(key, PEPPER);
        await client.set(`aegis:key:${hash}`, entry);
        expect({ entry, status: (await gateway.ask({}, { key })).status }).toEqual({ entry, status: 200 });
        const stranger = hash.replace(/^./, (first) => (first === 'a' ? 'b' : 'a'));
        await client.set(`aegis:key:${stranger}`, entry);
      }
      for (const word of ['v3:all', '{"hash":"x"}', '', 'a'.repeat(65)])
        await client.publish('aegis:key-changed', word);

      const limited = await gateway.operator.administration.mint(
        'test',
        buildOrder({
          allowedModels: null,
          rpmLimit: 10,
          maxParallelRequests: null,
          budgetNanoUsd: 1_000_000_000_000n,
        }),
      );
      expect((await gateway.ask({}, { key: limited.key })).status).toBe(200);
      // What a later version keeps beside what this one knows.
      for (const name of await client.keys('aegis:limits:*')) {
        if ((await client.type(name)) === 'hash') await client.hset(name, 'of-the-future', 'v3');
      }
      const statuses = (await gateway.askMany(20, {}, { key: limited.key })).map(({ status }) => status);
      note(`${statuses.filter((status) => status === 200).length + 1} of 21 admitted by a limit of 10`);
      expect(statuses.filter((status) => status === 200)).toHaveLength(9);
      expect(statuses.filter((status) => status === 429)).toHaveLength(11);
      await gateway.operator.administration.revoke(limited.record, null);
      await waitUntil(async () => (await gateway.ask({}, { key: limited.key })).status === 401);
      expect(gateway.process.output()).not.toMatch(/"msg":"(uncaught|unhandled)/);
    },
    DEADLINE_MS,
  );
});
