import type { DataSource } from 'typeorm';
import { MigrationExecutor } from 'typeorm';
import { buildDataSource } from './data-source.js';
import { accessOf, type DatabaseAccess } from './database-access.js';

/** Serialises migrations of all replicas and commands. */
const MIGRATION_LOCK = 7_301_000;
/** Migrations may rewrite tables, and wait for another replica that does. */
const MIGRATION_TIMEOUT_MS = 10 * 60_000;

/**
 * Runs what is pending, all or nothing; the names of what ran here, in order. Several replicas may call this at once:
 * one runs them, the others wait and find nothing left.
 */
export function runMigrations(database: string | DatabaseAccess): Promise<readonly string[]> {
  return withMigrationLock(database, async (executor) => {
    const ran = await executor.executePendingMigrations();
    return ran.map((migration) => migration.name);
  });
}

/** Reverts the last migration that ran; its name, or null where there is none. */
export function revertLastMigration(database: string | DatabaseAccess): Promise<string | null> {
  return withMigrationLock(database, revertLast);
}

/** Reverts every migration and runs all again: an empty database. The names of what ran, in order. */
export function resetDatabase(database: string | DatabaseAccess): Promise<readonly string[]> {
  return withMigrationLock(database, async (executor) => {
    while ((await revertLast(executor)) !== null);
    const ran = await executor.executePendingMigrations();
    return ran.map((migration) => migration.name);
  });
}

async function revertLast(executor: MigrationExecutor): Promise<string | null> {
  const [last] = await executor.getExecutedMigrations();
  if (last === undefined) return null;
  await executor.undoLastMigration();
  return last.name;
}

/**
 * Everything in one transaction that begins with the lock: whoever dies, the server lets go of both together. A
 * lock of the session would be lost behind a transaction pooler.
 */
async function withMigrationLock<T>(
  database: string | DatabaseAccess,
  action: (executor: MigrationExecutor) => Promise<T>,
): Promise<T> {
  const dataSource: DataSource = buildDataSource({
    access: typeof database === 'string' ? accessOf(database) : database,
    poolSize: 2,
    connectTimeoutMs: 5_000,
    queryTimeoutMs: MIGRATION_TIMEOUT_MS,
  });
  await dataSource.initialize();
  const runner = dataSource.createQueryRunner();
  try {
    await runner.startTransaction();
    await runner.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    const result = await action(new MigrationExecutor(dataSource, runner));
    await runner.commitTransaction();
    return result;
  } catch (error) {
    // The first error is the one that says something.
    await runner.rollbackTransaction().catch(() => undefined);
    throw error;
  } finally {
    await runner.release().catch(() => undefined);
    await dataSource.destroy();
  }
}
