import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  type ExportHeader,
  type ExportManifest,
  parseHeader,
  parseManifest,
  signedManifest,
} from '../export/export-file.js';
import { isSignedBy, type TrustedKeys } from '../signing-key.js';
import { AuditVerifier } from './audit.verifier.js';
import type { Verification } from './verification.js';

const LINE_END = 0x0a;
/** More than any manifest has. What is longer is cut, and so no line of ours: a file without ends must not fill the memory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

export interface ExportVerification extends Verification {
  /** False where nothing proves that whole ends of chains, or whole chains, were not left out. */
  readonly isManifestSigned: boolean;
}

/** Verifies an export from its bytes and the keys alone. */
export async function verifyExport(bytes: Readable, keys: TrustedKeys, nowMs: number): Promise<ExportVerification> {
  const check = new ExportCheck(keys, nowMs);
  for await (const chunk of bytes) check.add(chunk as Buffer);
  return check.finish();
}

/** Holds each line back until there is another: the last one is the manifest. */
class ExportCheck {
  private readonly digest = createHash('sha256');
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Of a line whose end has not come. */
  private rest: Buffer[] = [];
  private restBytes = 0;
  private held: Buffer | null = null;
  private place = 0;
  private header: ExportHeader | null = null;
  private verifier: AuditVerifier | null = null;
  private records = 0;

  constructor(
    private readonly keys: TrustedKeys,
    private readonly nowMs: number,
  ) {}

  add(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, start)) {
      this.keep(chunk.subarray(start, end + 1));
      this.advance(Buffer.concat(this.rest));
      this.rest = [];
      this.restBytes = 0;
      start = end + 1;
    }
    this.keep(chunk.subarray(start));
  }

  finish(): ExportVerification {
    const verifier = this.getVerifier();
    const manifest = this.held && this.restBytes === 0 ? parseManifest(this.decode(this.held) ?? '') : null;
    if (this.place === 0 && this.held) verifier.say('missing', 1, null, 'the header is not there');
    if (manifest) this.checkManifest(verifier, manifest);
    else this.sayNoManifest(verifier);
    return { ...verifier.finish(), isManifestSigned: manifest?.signature != null };
  }

  private keep(piece: Buffer): void {
    const kept = piece.subarray(0, MAX_LINE_BYTES - this.restBytes);
    if (kept.length === 0) return;
    this.rest.push(kept);
    this.restBytes += kept.length;
  }

  /** A line came, its end included: the one before it is none of the last. */
  private advance(line: Buffer): void {
    const { held } = this;
    this.held = line;
    if (!held) return;
    this.digest.update(held);
    this.place++;
    const text = this.decode(held);
    if (this.place === 1) {
      this.header = text === null ? null : parseHeader(text);
      if (!this.header) this.getVerifier().say('altered', 1, null, 'this is no header of an export');
      return;
    }
    const verifier = this.getVerifier();
    this.records++;
    // What cannot be decoded is no record either.
    verifier.add(text ?? '', this.place);
  }

  private getVerifier(): AuditVerifier {
    const isPart = this.header !== null && (this.header.from !== null || this.header.to !== null);
    this.verifier ??= new AuditVerifier({ keys: this.keys, allSealed: true, isPart, nowMs: this.nowMs });
    return this.verifier;
  }

  private decode(line: Buffer): string | null {
    if (line.at(-1) !== LINE_END) return null;
    try {
      return this.decoder.decode(line.subarray(0, -1));
    } catch {
      return null;
    }
  }

  private sayNoManifest(verifier: AuditVerifier): void {
    const place = this.place + 1;
    const isCut = this.restBytes > 0 || !this.held || !this.held.includes('export.manifest');
    if (isCut) verifier.say('truncated', place, null, 'the export does not end with its manifest');
    else verifier.say('altered', place, null, 'this is no manifest of an export');
  }

  private checkManifest(verifier: AuditVerifier, manifest: ExportManifest): void {
    const place = this.place + 1;
    const extents = verifier.extents();
    for (const { writer, first, last, hash } of manifest.chains) {
      const extent = extents.get(writer);
      extents.delete(writer);
      if (!extent) verifier.say('missing', place, `${writer}:${first}`, 'nothing is there of this chain');
      else if (extent.first > first)
        verifier.say('missing', place, `${writer}:${first}`, 'the chain begins with a later one');
      else if (extent.last < last)
        verifier.say('truncated', place, `${writer}:${last}`, 'the chain ends with an earlier one');
      else if (extent.first < first || extent.last > last || extent.hash !== hash) {
        verifier.say('altered', place, `${writer}:${last}`, 'the chain is not the one that was exported');
      }
    }
    for (const [writer, { first }] of extents) {
      verifier.say('inserted', place, `${writer}:${first}`, 'the manifest knows no such chain');
    }
    if (manifest.records !== this.records) {
      verifier.say(
        'altered',
        place,
        null,
        `the manifest tells of ${manifest.records} records, and there are ${this.records}`,
      );
    }
    if (manifest.sha256 !== this.digest.digest('hex')) {
      verifier.say('altered', place, null, 'the bytes before the manifest are not those that it was made over');
    }
    this.checkSignature(verifier, manifest, place);
  }

  private checkSignature(verifier: AuditVerifier, manifest: ExportManifest, place: number): void {
    if (manifest.key === null || manifest.signature === null) return;
    const key = this.keys.get(manifest.key);
    if (!key)
      verifier.say('re-signed', place, null, `the manifest is signed by the key ${manifest.key}, which is not trusted`);
    else if (!isSignedBy(key, signedManifest(manifest), manifest.signature)) {
      verifier.say('altered', place, null, 'the signature of the manifest does not fit');
    }
  }
}
