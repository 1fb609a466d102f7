import type { IncomingHttpHeaders } from 'node:http';

/** What a request's headers say about its key. */
export type PresentedKey =
  | { readonly kind: 'absent' }
  /** Two headers, two keys: nobody can say which was meant. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'key'; readonly key: string };

const BEARER = /^bearer[ \t]+([^ \t].*)?$/i;
const ABSENT: PresentedKey = { kind: 'absent' };

/** Reads `Authorization: Bearer`, `x-api-key` and `api-key`. Other authorization schemes are none of ours. */
export function extractKey(headers: IncomingHttpHeaders): PresentedKey {
  const bearer = headers.authorization === undefined ? undefined : BEARER.exec(headers.authorization.trim())?.[1];
  let presented = ABSENT;
  for (const value of [bearer, headers['x-api-key'], headers['api-key']]) {
    const key = (Array.isArray(value) ? value.join() : value)?.trim();
    if (!key) continue;
    if (presented.kind === 'key' && presented.key !== key) return { kind: 'conflict' };
    presented = { kind: 'key', key };
  }
  return presented;
}
