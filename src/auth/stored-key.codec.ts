import { createHmac, timingSafeEqual } from 'node:crypto';
import type { StoredKey } from '../domain/key-store.js';
import type { KeyStatus, Principal } from '../domain/principal.js';

/** A key as it was in the database at a moment. */
export interface DatedKey {
  readonly key: StoredKey;
  /** When the database said so; wall clock, milliseconds since 1970. */
  readonly verifiedAtMs: number;
}

interface Entry {
  readonly verifiedAtMs: number;
  readonly status: KeyStatus;
  readonly principal: Omit<Principal, 'budgetNanoUsd' | 'mayExplain'> & {
    readonly budgetNanoUsd: string | null;
    /** Entries of older versions have none: no right is read into one that does not say it. */
    readonly mayExplain?: boolean;
  };
}

/**
 * Changes with the shape of an entry, so that replicas of two versions ignore each other's; not for a right that both
 * read safely.
 */
const VERSION = 'v1';

/**
 * Writes keys for a store that is not trusted, and reads them back. An entry is sealed together with the hash it
 * stands under: who can write to that store can neither invent a key, nor change one, nor move it to another hash.
 */
export class StoredKeyCodec {
  private readonly sealKey: Buffer;

  constructor(pepper: string) {
    this.sealKey = createHmac('sha256', pepper).update(`aegis stored key ${VERSION}`).digest();
  }

  encode(keyHash: string, { key, verifiedAtMs }: DatedKey): string {
    const { budgetNanoUsd, ...rest } = key.principal;
    const entry: Entry = {
      verifiedAtMs,
      status: key.status,
      principal: { ...rest, budgetNanoUsd: budgetNanoUsd?.toString() ?? null },
    };
    const body = JSON.stringify(entry);
    return `${VERSION}.${this.seal(keyHash, body).toString('base64url')}.${body}`;
  }

  /** Null where the entry was not sealed here for this hash. */
  decode(keyHash: string, text: string): DatedKey | null {
    const [version, seal] = text.split('.', 2);
    if (version !== VERSION || seal === undefined) return null;
    const body = text.slice(version.length + seal.length + 2);
    const given = Buffer.from(seal, 'base64url');
    const expected = this.seal(keyHash, body);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
    // Sealed with our key, so written by `encode`.
    const entry = JSON.parse(body) as Entry;
    const { budgetNanoUsd, mayExplain, ...rest } = entry.principal;
    const principal = {
      ...rest,
      budgetNanoUsd: budgetNanoUsd === null ? null : BigInt(budgetNanoUsd),
      mayExplain: mayExplain === true,
    };
    return { key: { principal, status: entry.status }, verifiedAtMs: entry.verifiedAtMs };
  }

  private seal(keyHash: string, body: string): Buffer {
    return createHmac('sha256', this.sealKey).update(`${keyHash}\n${body}`).digest();
  }
}
