import { Logger } from '@nestjs/common';
import { DatabaseUnavailableError } from '../../../src/database/database.errors.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';

Logger.overrideLogger(false);

describe('the database', () => {
  let target: TestDatabase;
  let database: DatabaseService;
  beforeAll(async () => {
    target = await createDatabase();
    database = new DatabaseService(buildDatabaseSettings({ url: target.url, poolSize: 2, connectTimeoutMs: 500 }));
    await database.onModuleInit();
    expect(await database.waitUntilReady(20_000)).toBe(true);
  });
  afterAll(async () => {
    await database.onApplicationShutdown();
    await target.drop();
  });

  const sleep = (seconds: number): Promise<unknown> =>
    database.run((manager) => manager.query('SELECT pg_sleep($1)', [seconds]));

  it('refuses those who wait too long for a connection, and goes on for all others', async () => {
    const ends = await Promise.allSettled(Array.from({ length: 40 }, () => sleep(0.1)));
    const reasons = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
    expect(reasons.length).toBeGreaterThan(0);
    expect(reasons.length).toBeLessThan(40);
    for (const reason of reasons) expect(reason).toBeInstanceOf(DatabaseUnavailableError);
    expect(database.isAvailable).toBe(true);
    await sleep(0);
  });

  it('is away for all where nobody gets an answer any more', async () => {
    const taken = Promise.allSettled([sleep(1.2), sleep(1.2)]);
    await expect(sleep(0)).rejects.toThrow(DatabaseUnavailableError);
    expect(database.isAvailable).toBe(false);
    await taken;
    expect(await database.waitUntilReady(20_000)).toBe(true);
  });
});
