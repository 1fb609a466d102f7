import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { AuditConfig } from '../config/schema/gateway.config.js';
import { getDataFolder } from '../database/data-folder.js';

const KEY_ID_DIGITS = 16;

/** The key that seals are signed with. */
export interface SigningKey {
  readonly id: string;
  /** PEM (SPKI). */
  readonly publicPem: string;
  /** Ed25519 over the text's UTF-8, lower-case hex. */
  sign(text: string): string;
}

/** Keys that seals are trusted by, by id. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

/** A new private key: PEM (PKCS #8). */
export function generateSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** From a private key's PEM. Throws where it is none of Ed25519. */
export function readSigningKey(pem: string): SigningKey {
  const privateKey = createPrivateKey(pem);
  assertEd25519(privateKey);
  const publicKey = createPublicKey(privateKey);
  return {
    id: idOf(publicKey),
    publicPem: toPem(publicKey),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('hex'),
  };
}

/** From PEM of public keys. Throws where one is none of Ed25519. */
export function trustKeys(pems: readonly string[]): TrustedKeys {
  return new Map(
    pems.map((pem) => {
      const key = createPublicKey(pem);
      assertEd25519(key);
      return [idOf(key), key] as const;
    }),
  );
}

/** `signature` is lower-case hex of the right length: checked where the record was read. */
export function isSignedBy(key: KeyObject, text: string, signature: string): boolean {
  return verify(null, Buffer.from(text), key, Buffer.from(signature, 'hex'));
}

export function toPem(publicKey: KeyObject): string {
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

/** There is no key to seal the audit with. */
export class SigningKeyError extends Error {
  constructor(file: string, cause: unknown) {
    super(`audit.signing_key_file: ${describe(cause)} (${file}). Make one with: aegis audit keygen`, { cause });
    this.name = 'SigningKeyError';
  }
}

/** Null where the configured key can be used, or none is configured. */
export function findSigningKeyProblem(audit: AuditConfig): string | null {
  if (!audit.enabled || audit.signingKeyFile === '') return null;
  try {
    loadSigningKey(audit);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * The configured key; without one, in development, a key that is made once and kept in the data folder. Throws where
 * there is none or it cannot be read.
 */
export function loadSigningKey(audit: AuditConfig): SigningKey {
  const file = signingKeyFile(audit);
  if (audit.signingKeyFile === '') makeOnce(file);
  try {
    return readSigningKey(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SigningKeyError(file, error);
  }
}

/** Of the configured key, where it can be read, and of the keys before it. Throws where one of those cannot be. */
export function loadTrustedKeys(audit: AuditConfig): TrustedKeys {
  const pems = audit.formerPublicKeys.map((file) => readFileSync(file, 'utf8'));
  const own = findSigningKey(audit);
  return trustKeys(own === null ? pems : [own.publicPem, ...pems]);
}

/** Null where there is no such file, or it may not be read here. */
export function findSigningKey(audit: AuditConfig): SigningKey | null {
  let pem: string;
  try {
    pem = readFileSync(signingKeyFile(audit), 'utf8');
  } catch {
    return null;
  }
  return readSigningKey(pem);
}

function signingKeyFile(audit: AuditConfig): string {
  return audit.signingKeyFile === '' ? path.join(getDataFolder(), 'audit-signing-key.pem') : audit.signingKeyFile;
}

function makeOnce(file: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, generateSigningKey(), { mode: 0o600 });
  try {
    // Whole or absent, and the first of two processes wins.
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
}

/** The beginning of SHA-256 over the public key (SPKI, DER). */
function idOf(publicKey: KeyObject): string {
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'hex').slice(0, KEY_ID_DIGITS);
}

function assertEd25519(key: KeyObject): void {
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`this is no Ed25519 key but ${key.asymmetricKeyType}`);
}

function describe(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'the file may not be read';
  return 'this is no Ed25519 private key in PEM';
}
