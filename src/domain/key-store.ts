import type { KeyStatus, Principal } from './principal.js';

/** A key as a store holds it. */
export interface StoredKey {
  readonly principal: Principal;
  readonly status: KeyStatus;
}

/** Where a key was found; `none` = no store knows it. */
export type KeyTier = 'memory' | 'redis' | 'database' | 'none';

export interface KeyLookup {
  readonly key: StoredKey | null;
  readonly tier: KeyTier;
}

/**
 * Finds keys by their hash (lower-case hex of HMAC-SHA-256). Throws `AegisError` `dependency_unavailable`
 * where no store that could know the key can be asked: an outage is never "no such key".
 */
export interface KeyStore {
  find(keyHash: string): Promise<KeyLookup>;
}
