import { randomUUID } from 'node:crypto';
import { AuditChain } from '../../src/audit/audit-chain.js';
import type { AuditEvent, RequestDecided, StoredRecord } from '../../src/audit/audit-record.js';
import { ExportWriter } from '../../src/audit/export/export-file.js';
import { generateSigningKey, readSigningKey, type SigningKey, trustKeys } from '../../src/audit/signing-key.js';
import { AuditVerifier } from '../../src/audit/verify/audit.verifier.js';
import type { Verification } from '../../src/audit/verify/verification.js';

export const AT = '2026-10-31T12:00:00.000Z';
export const NOW_MS = Date.parse(AT);

export function makeSigningKey(): SigningKey {
  return readSigningKey(generateSigningKey());
}

export function makeDecision(changes: Partial<RequestDecided> = {}): RequestDecided {
  return {
    type: 'request.decided',
    decision: 'allow',
    reason: 'permitted',
    request_id: randomUUID(),
    key_id: randomUUID(),
    organization: 'acme',
    team: 'core',
    model: 'aegis-fast',
    level: 'INTERNAL',
    target: { provider: 'anthropic', model: 'claude-haiku-4-5' },
    ...changes,
  };
}

/** A chain under way. */
export class ChainBuilder {
  readonly records: StoredRecord[] = [];
  readonly chain: AuditChain;

  constructor(
    key: SigningKey,
    readonly writer: string = randomUUID(),
  ) {
    this.chain = new AuditChain(writer, key);
    this.event({ type: 'chain.opened', reason: 'started', host: 'host', config: 'abc' });
  }

  event(event: AuditEvent = makeDecision()): this {
    return this.add(this.chain.draft(event, AT));
  }

  events(count: number): this {
    for (let index = 0; index < count; index++) this.event();
    return this;
  }

  seal(): this {
    return this.add(this.chain.draftCheckpoint('interval', AT));
  }

  close(): this {
    return this.add(this.chain.draftClosing(AT));
  }

  add(record: StoredRecord): this {
    this.chain.commit(record);
    this.records.push(record);
    return this;
  }

  get lines(): string[] {
    return this.records.map(({ line }) => line);
  }
}

export function verifyLines(
  lines: readonly string[],
  key: SigningKey,
  options: Partial<{ allSealed: boolean; isPart: boolean; nowMs: number }> = {},
): Verification {
  const keys = trustKeys([key.publicPem]);
  const verifier = new AuditVerifier({ keys, allSealed: false, isPart: false, nowMs: NOW_MS, ...options });
  for (const [index, line] of lines.entries()) verifier.add(line, index + 1);
  return verifier.finish();
}

/** As `aegis audit export` writes them; with `key` null the manifest is not signed. */
export function buildExport(chains: readonly ChainBuilder[], key: SigningKey | null): string {
  const writer = new ExportWriter();
  let text = writer.header({ exported_at: AT, from: null, to: null });
  for (const { records, writer: of } of chains) {
    for (const { line } of records) text += writer.record(line);
    const last = records.at(-1);
    if (last) writer.chain({ writer: of, first: 1, last: last.record.seq, hash: last.hash });
  }
  return text + writer.manifest(key);
}
