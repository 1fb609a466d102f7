import type { AuditStore } from '../audit.store.js';
import { isUuid, parseRecord, type Seal, type StoredRecord, sealOf } from '../audit-record.js';
import { findPath, followPath } from '../merkle.js';
import { readRange } from './selection.js';

/** That one record is among those that a signed seal was made over. Verified by `examples/verify-audit-proof.mjs`. */
export interface InclusionProof {
  readonly type: 'audit.proof';
  readonly v: 1;
  /** The record's text. */
  readonly record: string;
  /** Its place among the records that the seal covers, from 0 on. */
  readonly index: number;
  /** Hashes of its neighbors on the way up to the root, nearest first (RFC 6962, 2.1.1). */
  readonly path: readonly string[];
  /** The text of the record that seals. */
  readonly seal: string;
}

/** `WRITER:NUMBER`, or a request's id. All records that are meant; several where a request had several decisions. */
export async function findEvents(store: AuditStore, reference: string): Promise<StoredRecord[]> {
  const [writer, number] = reference.split(':');
  const isPlace = isUuid(writer) && number !== undefined && /^[1-9]\d{0,14}$/.test(number);
  const seq = Number(number);
  const lines = isPlace
    ? await store.read({ writer, first: seq, last: seq }, 10)
    : await store.findByRequest(reference);
  return lines.flatMap((line) => parseRecord(line) ?? []);
}

/** Null where no seal covers the record yet, or where the records that one covers are not all there. */
export async function proveInclusion(
  store: AuditStore,
  { record, hash, line }: StoredRecord,
): Promise<InclusionProof | null> {
  for (const sealLine of await store.findSeals(record)) {
    const by = parseRecord(sealLine);
    const seal = by && sealOf(by.record);
    if (!seal || record.seq < seal.first || record.seq > seal.last) continue;
    const hashes = await readHashes(store, seal);
    const index = hashes.indexOf(hash);
    if (index < 0 || hashes.length !== seal.count) continue;
    return { type: 'audit.proof', v: 1, record: line, index, path: findPath(hashes, index), seal: sealLine };
  }
  return null;
}

/** Whether the path leads from a record's hash to the root that the seal has. The seal's signature is another question. */
export function isIncluded(hash: string, { index, path, seal: line }: InclusionProof): boolean {
  const by = parseRecord(line);
  const seal = by && sealOf(by.record);
  return seal !== null && seal !== undefined && followPath(hash, index, seal.count, path) === seal.root;
}

async function readHashes(store: AuditStore, { of: writer, first, last }: Seal): Promise<string[]> {
  const hashes: string[] = [];
  for await (const lines of readRange(store, { writer, first, last })) {
    for (const line of lines) {
      const stored = parseRecord(line);
      if (stored) hashes.push(stored.hash);
    }
  }
  return hashes;
}
