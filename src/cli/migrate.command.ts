import { resetDatabase, revertLastMigration, runMigrations } from '../database/migrate.js';
import { withDatabaseAccess } from './cli.context.js';
import { InputError } from './input.js';

/** `aegis migrate`. */
export async function migrate(options: Readonly<Record<string, unknown>>): Promise<void> {
  const { revert, reset } = options;
  if (revert === true && reset === true) throw new InputError(['--revert and --reset exclude each other']);
  if (reset === true && process.env.NODE_ENV === 'production') {
    throw new InputError(['--reset removes all data and is refused with NODE_ENV=production']);
  }
  await withDatabaseAccess(async (access, isEmbedded) => {
    if (reset === true && !isEmbedded && options.yes !== true) {
      const { host, pathname } = new URL(access.url);
      throw new InputError([`--reset removes all data of ${host}${pathname}; say so with --yes`]);
    }
    if (revert === true) {
      const reverted = await revertLastMigration(access);
      process.stdout.write(reverted === null ? 'There is nothing to revert.\n' : `Reverted ${reverted}.\n`);
      return;
    }
    const ran = reset === true ? await resetDatabase(access) : await runMigrations(access);
    process.stdout.write(ran.length === 0 ? 'The database is up to date.\n' : `Ran ${ran.join(', ')}.\n`);
  });
}
