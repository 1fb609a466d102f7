import { crc32 } from 'node:zlib';
import { isObject } from '../../domain/json.js';
import { isPlaceholder } from './placeholders.js';

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
  ['random-case', (secret) => gate(countClassChanges(secret) >= RANDOM_CHANGES * secret.length)],
  ['has-digit', (secret) => gate(/\d/.test(secret))],
  ['basic-credentials', (secret) => gate(holdsUserAndPassword(decodeBase64(secret)))],
  ['base64-text', (secret) => gate(secret.length % 4 === 0 && PRINTABLE.test(decodeBase64(secret)))],
  ['random-run', (secret) => gate(RANDOM_RUNS.some((run) => run.test(secret)))],
  ['password', (secret) => gate(/[A-Za-z]/.test(secret) && /[^A-Za-z]/.test(secret) && !IDENTIFIER.test(secret))],
]);

const PRINTABLE = /^[\t\n\r -~]{8,}$/;
/**
 * Code that names a password rather than being one: `config.password`, `get_password`, `$PASSWORD`, a path, an address.
 * No character belongs both to a name and to what stands between names, or names could be told apart in endless ways.
 */
const IDENTIFIER = /^(?:[$@&*!]?[A-Za-z_]+(?:[.:/\\|[\]?-]+[A-Za-z_]+)*[?!*.:]*|[A-Z][A-Z0-9_]+|https?:.*|[^A-Za-z]*)$/;

/**
 * Changes between upper case, lower case, digits and symbols, a character: 0.6 on average where characters are random,
 * 0.3 in `ANameLikeThisOneV2`.
 */
const RANDOM_CHANGES = 0.36;

/** No word of a language or a program: letters with several digits among them, or a UUID. */
const RANDOM_RUNS = [
  /(?=[A-Za-z0-9]{14})(?=[0-9]*[A-Za-z])(?:[A-Za-z]*[0-9]){2}[A-Za-z0-9]/,
  /[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-/,
];

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

/** As HTTP's basic authorization writes them. Those of a tutorial (`user:pass`) are none. */
function holdsUserAndPassword(text: string): boolean {
  const at = text.indexOf(':');
  return at > 0 && text.length - at > 4 && PRINTABLE.test(text) && !isPlaceholder(text.slice(at + 1));
}

function countClassChanges(text: string): number {
  let changes = 0;
  for (let index = 1; index < text.length; index++) {
    if (classOf(text.charCodeAt(index)) !== classOf(text.charCodeAt(index - 1))) changes++;
  }
  return changes;
}

function classOf(code: number): 'upper' | 'lower' | 'digit' | 'other' {
  if (code >= 97 && code <= 122) return 'lower';
  if (code >= 65 && code <= 90) return 'upper';
  return code >= 48 && code <= 57 ? 'digit' : 'other';
}

function decodeBase64(text: string): string {
  return Buffer.from(text, 'base64url').toString('utf8');
}

/** Characters that share their last seven bits count as one: no credential is written with others than ASCII. */
const counts = new Uint32Array(128);

/** Shannon entropy of a text in bits a character. */
export function measureEntropy(text: string): number {
  const { length } = text;
  if (length === 0) return 0;
  counts.fill(0);
  for (let index = 0; index < length; index++) {
    const slot = text.charCodeAt(index) & 127;
    counts[slot] = (counts[slot] as number) + 1;
  }
  let sum = 0;
  for (let slot = 0; slot < counts.length; slot++) {
    const count = counts[slot] as number;
    if (count > 1) sum += count * Math.log2(count);
  }
  return Math.log2(length) - sum / length;
}
