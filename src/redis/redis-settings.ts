export interface RedisSettings {
  /** `redis://` or `rediss://` URL; empty: no Redis, one replica. */
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** Longest a command may take; a slow Redis is passed by, not waited for. */
  readonly commandTimeoutMs: number;
}

/** Injection token of the `RedisSettings`. */
export const REDIS_SETTINGS = Symbol('RedisSettings');

/** Fills in what a deployment rarely changes. */
export function buildRedisSettings(known: Partial<RedisSettings> & { readonly url: string }): RedisSettings {
  return { connectTimeoutMs: 2_000, commandTimeoutMs: 100, ...known };
}
