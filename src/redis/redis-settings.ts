import type { RedisConfig } from '../config/schema/stores.config.js';

export interface RedisSettings extends Pick<RedisConfig, 'url' | 'tls' | 'sentinel' | 'cluster'> {
  /** The password at this moment; empty: the one of the URL. */
  readonly password: () => string;
  readonly connectTimeoutMs: number;
  /** Longest a command may take; a slow Redis is passed by, not waited for. */
  readonly commandTimeoutMs: number;
}

/** Injection token of the `RedisSettings`. */
export const REDIS_SETTINGS = Symbol('RedisSettings');

/** Fills in what a deployment rarely changes. `url` empty: no Redis, one replica. */
export function buildRedisSettings(known: Partial<RedisSettings> & { readonly url: string }): RedisSettings {
  return {
    tls: { caFile: '', certFile: '', keyFile: '', serverName: '' },
    sentinel: { master: '', nodes: [], username: '', password: '', tls: false },
    cluster: { nodes: [] },
    password: () => '',
    connectTimeoutMs: 2_000,
    commandTimeoutMs: 100,
    ...known,
  };
}
