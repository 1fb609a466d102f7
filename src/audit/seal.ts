import {
  type AuditRecord,
  type ChainCheckpoint,
  type ChainClosed,
  type Seal,
  toCanonicalJson,
} from './audit-record.js';
import { hashTree } from './merkle.js';
import { isSignedBy, type SigningKey, type TrustedKeys } from './signing-key.js';

export type SealingEvent = ChainCheckpoint | ChainClosed;

/** Records that no seal covers yet, of one writer. */
export interface Unsealed {
  readonly of: string;
  readonly first: number;
  readonly last: number;
  readonly lastHash: string;
  /** Of those that are there, in order. */
  readonly hashes: readonly string[];
}

/** A seal that waits for its signature: that covers the record it stands in, its place included. */
export function draftSeal({ of, first, last, lastHash, hashes }: Unsealed, { id }: SigningKey): Seal {
  return { of, first, last, last_hash: lastHash, count: hashes.length, root: hashTree(hashes), key: id, signature: '' };
}

export function signSeal(record: AuditRecord<SealingEvent>, key: SigningKey): AuditRecord<SealingEvent> {
  return { ...record, seal: { ...record.seal, signature: key.sign(signedText(record)) } };
}

/** The record's canonical JSON without its signature. */
export function signedText(record: AuditRecord<SealingEvent>): string {
  const { signature: _signature, ...seal } = record.seal;
  return toCanonicalJson({ ...record, seal });
}

/** Whether it seals, and is signed by one of the keys. */
export function isTrustedSeal(record: AuditRecord, keys: TrustedKeys): boolean {
  if (record.type !== 'chain.checkpoint' && record.type !== 'chain.closed') return false;
  const key = keys.get(record.seal.key);
  return key !== undefined && isSignedBy(key, signedText(record), record.seal.signature);
}
