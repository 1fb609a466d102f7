import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** Where TLS is read from. Empty: not used. */
export interface PemFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** What the files held at one moment, in PEM; empty where there is no file. */
export interface PemTexts {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Files that fit together, and serve. */
export interface PemSet extends PemTexts {
  /** When the certificate ends, in milliseconds since 1970; null where there is none. */
  readonly notAfterMs: number | null;
}

/** A file that TLS cannot be spoken with. Names it, and holds nothing of it. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError';
}

const MAX_FILE_BYTES = 1024 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Null for a file that cannot be read. */
type Reading = Readonly<Record<keyof PemTexts, string | null>>;

export function readPemFiles({ certFile, keyFile, caFile }: PemFiles): Reading {
  return { cert: readSmallFile(certFile), key: readSmallFile(keyFile), ca: readSmallFile(caFile) };
}

/** Throws a `TlsFileError` for the first file that is wrong. `nowMs`: since 1970. */
export function checkPemFiles(files: PemFiles, reading: Reading, nowMs: number): PemSet {
  const cert = textOf(files.certFile, reading.cert);
  const key = textOf(files.keyFile, reading.key);
  const ca = textOf(files.caFile, reading.ca);
  if (files.caFile !== '') parseCertificates(files.caFile, ca);
  const [leaf] = files.certFile === '' ? [] : parseCertificates(files.certFile, cert);
  if (!leaf) return { cert: '', key: '', ca, notAfterMs: null };
  const notAfterMs = Date.parse(leaf.validTo);
  if (notAfterMs <= nowMs) throw new TlsFileError(`${files.certFile}: the certificate expired on ${leaf.validTo}`);
  if (Date.parse(leaf.validFrom) > nowMs) {
    throw new TlsFileError(`${files.certFile}: the certificate is not valid before ${leaf.validFrom}`);
  }
  if (!leaf.checkPrivateKey(parseKey(files.keyFile, key))) {
    throw new TlsFileError(`${files.keyFile}: is not the key of the certificate in ${files.certFile}`);
  }
  try {
    createSecureContext({ cert, key, ...(ca !== '' && { ca }) });
  } catch {
    // What OpenSSL says of it may be of the key.
    throw new TlsFileError(`${files.certFile}: TLS cannot be spoken with this certificate and its key`);
  }
  return { cert, key, ca, notAfterMs };
}

function textOf(file: string, text: string | null): string {
  if (text === null) throw new TlsFileError(`${file}: the file cannot be read`);
  return text;
}

function parseCertificates(file: string, text: string): X509Certificate[] {
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new TlsFileError(`${file}: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`);
  return found.map((pem, index) => {
    try {
      return new X509Certificate(pem);
    } catch {
      throw new TlsFileError(`${file}: certificate ${index + 1} of ${found.length} cannot be read`);
    }
  });
}

function parseKey(file: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    throw new TlsFileError(`${file}: must hold a private key in PEM that is not encrypted`);
  }
}

function readSmallFile(path: string): string | null {
  if (path === '') return '';
  try {
    const facts = statSync(path);
    return facts.isFile() && facts.size <= MAX_FILE_BYTES ? readFileSync(path, 'utf8') : null;
  } catch {
    return null;
  }
}
