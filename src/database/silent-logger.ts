import type { Logger } from 'typeorm';

/** TypeORM writes to standard output, which belongs to commands and the log. Whoever calls it reports its errors. */
export const silentLogger: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};
