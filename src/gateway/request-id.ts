import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

const PLAIN_NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** What a client may name a thing by: 64 letters, digits, dots, underscores and dashes at most. Null where it did not. */
export function findPlainName(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && PLAIN_NAME.test(header) ? header : null;
}

/** The client's own where it sent one that can be taken. */
export function chooseRequestId(headers: IncomingHttpHeaders): string {
  return findPlainName(headers['x-request-id']) ?? randomUUID();
}
