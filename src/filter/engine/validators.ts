import { crc32 } from 'node:zlib';
import { isObject } from '../../domain/json.js';

/**
 * What a look at the match itself tells. `verified`: a checksum proves it, so that it is reported even where it looks
 * like a placeholder. `plausible`: nothing against it. `refuted`: not a credential of this kind.
 */
export type Verdict = 'verified' | 'plausible' | 'refuted';

export type Validator = (secret: string) => Verdict;

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The validators rules may name. */
export const VALIDATORS: ReadonlyMap<string, Validator> = new Map<string, Validator>([
  ['github-checksum', (secret) => (hasBase62Checksum(secret) ? 'verified' : 'plausible')],
  ['aegis-checksum', (secret) => (hasAegisChecksum(secret) ? 'verified' : 'refuted')],
  ['jwt', (secret) => gate(hasJwtHeader(secret))],
  ['openai-mark', (secret) => gate(secret.includes('T3BlbkFJ'))],
  ['discord-id', (secret) => gate(/^\d{15,22}$/.test(decodeBase64(secret.slice(0, secret.indexOf('.')))))],
  ['letters-and-digits', (secret) => gate(/[A-Za-z]/.test(secret) && /\d/.test(secret))],
  ['mixed-case-and-digits', (secret) => gate(/[a-z]/.test(secret) && /[A-Z]/.test(secret) && /\d/.test(secret))],
  ['has-digit', (secret) => gate(/\d/.test(secret))],
]);

function gate(passed: boolean): Verdict {
  return passed ? 'plausible' : 'refuted';
}

/**
 * GitHub's and npm's classic tokens: six base-62 digits at the end are the CRC-32 of the random characters before.
 * Confidence only, never a condition: invented tokens in texts are no less worth stopping.
 */
function hasBase62Checksum(token: string): boolean {
  const body = token.slice(4);
  if (body.length !== 36) return false;
  let rest = crc32(body.slice(0, 30));
  let digits = '';
  for (let place = 0; place < 6; place++) {
    digits = (BASE62[rest % 62] ?? '') + digits;
    rest = Math.floor(rest / 62);
  }
  return digits === body.slice(30);
}

/** AEGIS's own keys: the last seven characters are the CRC-32 of all before them, in base 36. */
function hasAegisChecksum(key: string): boolean {
  return crc32(key.slice(0, -7)).toString(36).padStart(7, '0') === key.slice(-7);
}

function hasJwtHeader(token: string): boolean {
  try {
    const header: unknown = JSON.parse(decodeBase64(token.slice(0, token.indexOf('.'))));
    return isObject(header) && ('alg' in header || 'typ' in header);
  } catch {
    return false;
  }
}

function decodeBase64(text: string): string {
  return Buffer.from(text, 'base64url').toString('utf8');
}

/** Shannon entropy of a text in bits a character. */
export function measureEntropy(text: string): number {
  const counts = new Map<number, number>();
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
