import type { StoredKey } from '../domain/key-store.js';
import type { KeyStatus } from '../domain/principal.js';

/** The status now: a key expires by itself, in whichever cache it lies. */
export function statusOf(key: StoredKey, nowMs: number): KeyStatus {
  const { expiresAtMs } = key.principal;
  return key.status === 'active' && expiresAtMs !== null && expiresAtMs <= nowMs ? 'expired' : key.status;
}
