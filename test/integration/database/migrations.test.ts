import { MIGRATIONS } from '../../../src/database/data-source.js';
import { resetDatabase, revertLastMigration, runMigrations } from '../../../src/database/migrate.js';
import type { TestDatabase } from '../../support/postgres.js';
import { createDatabase } from '../../support/postgres.js';

const names = MIGRATIONS.map((migration) => migration.name);

describe('migrations on a real PostgreSQL', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createDatabase({ migrated: false });
  });
  afterEach(() => database.drop());

  const listTables = async (): Promise<string[]> => {
    const rows = await database.query<{ name: string }>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
    );
    return rows.map((row) => row.name);
  };

  it('run once where five replicas start together on an empty database', async () => {
    const runs = await Promise.all(Array.from({ length: 5 }, () => runMigrations(database.url)));
    expect(runs.filter((ran) => ran.length > 0)).toEqual([names]);
    const recorded = await database.query<{ name: string }>('SELECT name FROM schema_migration ORDER BY id');
    expect(recorded.map((row) => row.name)).toEqual(names);
  });

  it('can each be reverted, down to an empty database, and run again', async () => {
    await runMigrations(database.url);
    const tables = await listTables();
    for (const name of [...names].reverse()) expect(await revertLastMigration(database.url)).toBe(name);
    expect(await revertLastMigration(database.url)).toBeNull();
    expect(await listTables()).toEqual(['schema_migration']);
    expect(await runMigrations(database.url)).toEqual(names);
    expect(await listTables()).toEqual(tables);
  });

  it('leave nothing behind where one of them fails', async () => {
    await database.query('CREATE TABLE api_key (in_the_way integer)');
    await expect(runMigrations(database.url)).rejects.toThrow('api_key');
    expect(await listTables()).toEqual(['api_key']);
  });

  it('reset to an empty database with all tables', async () => {
    await runMigrations(database.url);
    await database.query("INSERT INTO organization (id, name) VALUES (gen_random_uuid(), 'acme')");
    expect(await resetDatabase(database.url)).toEqual(names);
    expect(await database.query('SELECT * FROM organization')).toEqual([]);
  });
});
