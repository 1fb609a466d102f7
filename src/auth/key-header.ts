import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** What a request's headers say about its key. */
export type PresentedKey =
  | { readonly kind: 'absent' }
  /** Two headers, two keys: nobody can say which was meant. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'key'; readonly key: string };

const BEARER = /^bearer[ \t]+([^ \t].*)?$/i;
const ABSENT: PresentedKey = { kind: 'absent' };
const CONFLICT: PresentedKey = { kind: 'conflict' };

/** Reads the key of a request. One that has several `Authorization` headers has none of which anybody can say it is meant. */
export function readKey({ headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>): PresentedKey {
  return isRepeated(rawHeaders, 'authorization') ? CONFLICT : extractKey(headers);
}

/** Reads `Authorization: Bearer`, `x-api-key` and `api-key`. Other authorization schemes are none of ours. */
export function extractKey(headers: IncomingHttpHeaders): PresentedKey {
  const bearer = headers.authorization === undefined ? undefined : BEARER.exec(headers.authorization.trim())?.[1];
  let presented = ABSENT;
  for (const value of [bearer, headers['x-api-key'], headers['api-key']]) {
    const key = (Array.isArray(value) ? value.join() : value)?.trim();
    if (!key) continue;
    if (presented.kind === 'key' && presented.key !== key) return CONFLICT;
    presented = { kind: 'key', key };
  }
  return presented;
}

/** Node keeps the first of several such headers and drops the others; who put which there is anybody's guess. */
function isRepeated(rawHeaders: readonly string[], name: string): boolean {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) count++;
  }
  return count > 1;
}
