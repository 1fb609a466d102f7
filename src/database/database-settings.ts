import type { StoreTlsConfig } from '../config/schema/tls.config.js';
import { getDataFolder } from './data-folder.js';

export interface DatabaseSettings {
  /** `postgres://` URL; empty: the embedded server of `dataFolder`, for development. */
  readonly url: string;
  /** The password at this moment; empty: the one of the URL. */
  readonly password: () => string;
  readonly tls: StoreTlsConfig;
  readonly dataFolder: string;
  readonly poolSize: number;
  readonly connectTimeoutMs: number;
  /** Longest a query may take; its connection is then destroyed, since nobody knows what state it is in. */
  readonly queryTimeoutMs: number;
  /** How long an unreachable database counts as `degraded` (known keys are still served) before it is `down`. */
  readonly graceMs: number;
  /** Whether pending migrations run once the database is reached. */
  readonly migrateOnStart: boolean;
}

/** Injection token of the `DatabaseSettings`. */
export const DATABASE_SETTINGS = Symbol('DatabaseSettings');

/** Fills in what a deployment rarely changes. */
export function buildDatabaseSettings(known: Partial<DatabaseSettings> & { readonly url: string }): DatabaseSettings {
  return {
    password: () => '',
    tls: { caFile: '', certFile: '', keyFile: '', serverName: '' },
    dataFolder: getDataFolder(),
    poolSize: 10,
    connectTimeoutMs: 2_000,
    queryTimeoutMs: 2_000,
    graceMs: 900_000,
    migrateOnStart: true,
    ...known,
  };
}
