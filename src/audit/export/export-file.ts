import { createHash } from 'node:crypto';
import { isObject } from '../../domain/json.js';
import type { ChainRange } from '../audit.store.js';
import { isHash, isUuid, toCanonicalJson } from '../audit-record.js';
import type { SigningKey } from '../signing-key.js';

const FORMAT = 1;

/** The first line of an export. */
export interface ExportHeader {
  readonly type: 'export.header';
  readonly v: typeof FORMAT;
  readonly exported_at: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** What an export has of a chain. */
export interface ExportedChain extends ChainRange {
  /** Of the last record. */
  readonly hash: string;
}

/** The last line: whoever leaves something out has to leave it out here, too. */
export interface ExportManifest {
  readonly type: 'export.manifest';
  readonly v: typeof FORMAT;
  readonly records: number;
  readonly chains: readonly ExportedChain[];
  /** Of all bytes before this line. */
  readonly sha256: string;
  /** Id of the key that signed; null where none was at hand. */
  readonly key: string | null;
  /** Ed25519 over this line without the signature. */
  readonly signature: string | null;
}

/** The lines of an export around its records; feeds on them. */
export class ExportWriter {
  private readonly digest = createHash('sha256');
  private readonly chains: ExportedChain[] = [];
  private records = 0;

  header(facts: Omit<ExportHeader, 'type' | 'v'>): string {
    return this.line(toCanonicalJson({ type: 'export.header', v: FORMAT, ...facts }));
  }

  record(line: string): string {
    this.records++;
    return this.line(line);
  }

  chain(chain: ExportedChain): void {
    this.chains.push(chain);
  }

  manifest(key: SigningKey | null): string {
    const manifest: ExportManifest = {
      type: 'export.manifest',
      v: FORMAT,
      records: this.records,
      chains: this.chains,
      sha256: this.digest.digest('hex'),
      key: key?.id ?? null,
      signature: null,
    };
    const signature = key?.sign(signedManifest(manifest)) ?? null;
    return `${toCanonicalJson({ ...manifest, signature })}\n`;
  }

  private line(text: string): string {
    const line = `${text}\n`;
    this.digest.update(line);
    return line;
  }
}

export function signedManifest(manifest: ExportManifest): string {
  const { signature: _signature, ...rest } = manifest;
  return toCanonicalJson(rest);
}

/** Null where the line is none. */
export function parseHeader(line: string): ExportHeader | null {
  const value = parse(line);
  if (!isObject(value) || value.type !== 'export.header' || value.v !== FORMAT) return null;
  return isMoment(value.exported_at) && isBound(value.from) && isBound(value.to)
    ? (value as unknown as ExportHeader)
    : null;
}

/** Null where the line is none. */
export function parseManifest(line: string): ExportManifest | null {
  const value = parse(line);
  if (!isObject(value) || value.type !== 'export.manifest' || value.v !== FORMAT || !Array.isArray(value.chains))
    return null;
  const isSigned =
    typeof value.key === 'string' && typeof value.signature === 'string' && /^[0-9a-f]{128}$/.test(value.signature);
  if (!isHash(value.sha256) || typeof value.records !== 'number') return null;
  if (!isSigned && (value.key !== null || value.signature !== null)) return null;
  return value.chains.every(isChain) ? (value as unknown as ExportManifest) : null;
}

function isChain(value: unknown): value is ExportedChain {
  if (!isObject(value) || !isUuid(value.writer) || !isHash(value.hash)) return false;
  return typeof value.first === 'number' && typeof value.last === 'number';
}

function isBound(value: unknown): boolean {
  return value === null || isMoment(value);
}

function isMoment(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function parse(line: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) && toCanonicalJson(value) === line ? value : null;
  } catch {
    return null;
  }
}
