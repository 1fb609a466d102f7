import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { StoredKey } from '../domain/key-store.js';
import type { KeyStatus, Principal } from '../domain/principal.js';

/** A key as it was in the database at a moment. */
export interface DatedKey {
  readonly key: StoredKey;
  /** When the database said so; wall clock, milliseconds since 1970. */
  readonly verifiedAtMs: number;
}

/** Changes with every field of an entry: replicas of two versions ignore each other's, and no right is guessed. */
const VERSION = 'v2';

/** Nano-USD of a principal: JSON has no whole numbers of that size. */
const MONEY_FIELDS = [
  'budgetNanoUsd',
  'teamBudgetNanoUsd',
  'organizationBudgetNanoUsd',
] as const satisfies readonly (keyof Principal)[];

type MoneyField = (typeof MONEY_FIELDS)[number];

interface Entry {
  readonly verifiedAtMs: number;
  readonly status: KeyStatus;
  readonly principal: Omit<Principal, MoneyField> & Record<MoneyField, string | null>;
}

/**
 * Writes keys for a store that is not trusted, and reads them back. An entry is sealed together with the hash it
 * stands under and its age: who can write to that store can neither invent a key, nor change one, nor move it to
 * another hash, nor make it younger. The seal's key is derived from the pepper and is not the pepper.
 */
export class StoredKeyCodec {
  private readonly sealKey: Buffer;

  constructor(pepper: string) {
    this.sealKey = Buffer.from(hkdfSync('sha256', pepper, '', `aegis stored key ${VERSION}`, 32));
  }

  encode(keyHash: string, { key, verifiedAtMs }: DatedKey): string {
    const entry: Entry = {
      verifiedAtMs,
      status: key.status,
      principal: { ...key.principal, ...mapMoney(key.principal, (nanoUsd) => nanoUsd.toString()) },
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
    const { principal, status, verifiedAtMs } = JSON.parse(body) as Entry;
    return { key: { principal: { ...principal, ...mapMoney(principal, BigInt) }, status }, verifiedAtMs };
  }

  private seal(keyHash: string, body: string): Buffer {
    return createHmac('sha256', this.sealKey).update(`${VERSION}\n${keyHash}\n${body}`).digest();
  }
}

function mapMoney<From, To>(
  fields: Readonly<Record<MoneyField, From | null>>,
  convert: (amount: From) => To,
): Record<MoneyField, To | null> {
  const pairs = MONEY_FIELDS.map((field) => {
    const amount = fields[field];
    return [field, amount === null ? null : convert(amount)];
  });
  return Object.fromEntries(pairs) as Record<MoneyField, To | null>;
}
