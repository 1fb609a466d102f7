import { createHmac, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** The one answer to a key that is missing, malformed, unknown, revoked or expired: it tells an attacker nothing. */
export const INVALID_KEY_MESSAGE =
  'The API key is missing or not valid. Send a valid key in the header "Authorization: Bearer KEY".';

export interface GeneratedKey {
  /** The secret itself, to be shown once. */
  readonly key: string;
  /** What may be shown of it ever after. */
  readonly prefix: string;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const RANDOM_LENGTH = 25;
const CHECKSUM_LENGTH = 7;
/** Shown characters of the random part: 31 of its 129 bits. */
const SHOWN_LENGTH = 6;
const ENVIRONMENT = /^[a-z0-9]{1,16}$/;
const KEY = /^aegis-([a-z0-9]{1,16})-[a-z0-9]{32}$/;

/** 1 to 16 of `[a-z0-9]`: the part of a key that says where it belongs, e.g. `dev`. */
export function isKeyEnvironment(text: string): boolean {
  return ENVIRONMENT.test(text);
}

/** `aegis-<env>-<25 random><7 checksum>`. Throws `RangeError` where `environment` is none. */
export function generateApiKey(environment: string): GeneratedKey {
  if (!isKeyEnvironment(environment)) throw new RangeError('A key environment is 1 to 16 of a-z and 0-9');
  let body = `aegis-${environment}-`;
  // randomInt rejects what would favour some characters; a remainder of a random byte would not.
  for (let index = 0; index < RANDOM_LENGTH; index += 1) body += ALPHABET[randomInt(ALPHABET.length)];
  const key = body + checksumOf(body);
  return { key, prefix: prefixOf(key) };
}

/** Whether a text can be a key at all. Asks no store: a mistyped key costs nothing. */
export function isWellFormedKey(text: string): boolean {
  return KEY.test(text) && checksumOf(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH);
}

/** HMAC-SHA-256, lower-case hex: what stores know of a key. */
export function hashApiKey(key: string, pepper: string): string {
  return createHmac('sha256', pepper).update(key).digest('hex');
}

function prefixOf(key: string): string {
  return key.slice(0, key.length - CHECKSUM_LENGTH - RANDOM_LENGTH + SHOWN_LENGTH);
}

/** CRC-32 (ISO-HDLC) as 7 base-36 digits. It finds every change of up to 32 neighbouring bits, so of any character. */
function checksumOf(body: string): string {
  return crc32(body).toString(36).padStart(CHECKSUM_LENGTH, '0');
}
