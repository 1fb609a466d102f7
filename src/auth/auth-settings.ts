import type { GatewayConfig } from '../config/schema/gateway.config.js';
import { getDataFolder } from '../database/data-folder.js';
import { checkPreviousPepper, loadPepper } from './pepper.js';

export interface AuthSettings {
  readonly pepper: string;
  /** Keys hashed with this one are still found, and hashed anew; null = none is being replaced. */
  readonly previousPepper: string | null;
  /** How long a key is served from this process's memory without asking again. */
  readonly cacheTtlMs: number;
  readonly cacheMaxEntries: number;
  /** How old a key's entry in Redis may be while the database can be asked. */
  readonly redisTtlMs: number;
  /** How long an unknown key is not looked up again. */
  readonly negativeTtlMs: number;
  /** How long a known key is served while the database cannot be asked. */
  readonly staleGraceMs: number;
  /** Keys that are not valid, of one address; 0 = as many as it likes. */
  readonly maxFailuresPerMinute: number;
  /** Addresses and CIDR ranges whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

/** Injection token of the `AuthSettings`. */
export const AUTH_SETTINGS = Symbol('AuthSettings');

/** Throws where a pepper is missing or short. Only the embedded development mode may go without one. */
export async function loadAuthSettings(
  gateway: GatewayConfig,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<AuthSettings> {
  const mayMakePepper = gateway.database.url === '' && environment.NODE_ENV !== 'production';
  const dataFolder = mayMakePepper ? getDataFolder(environment) : null;
  const pepper = await loadPepper({ configured: gateway.auth.pepper, dataFolder });
  return {
    ...gateway.auth,
    pepper,
    previousPepper: checkPreviousPepper(gateway.auth.previousPepper, pepper),
    trustedProxies: gateway.server.trustedProxies,
  };
}
