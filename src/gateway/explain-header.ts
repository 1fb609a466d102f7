import type { IncomingHttpHeaders } from 'node:http';
import { AegisError } from '../domain/errors.js';

const HEADER = 'x-aegis-explain';

/** Whether the request asks what would become of it. */
export function wantsExplanation(headers: IncomingHttpHeaders): boolean {
  const value = headers[HEADER];
  return value !== undefined && isYes(value);
}

/** What is wrong with the header; null where it is right or absent. */
export function findExplainProblem(headers: IncomingHttpHeaders): AegisError | null {
  const value = headers[HEADER];
  if (value === undefined || isYes(value)) return null;
  return new AegisError(
    'invalid_request',
    'X-Aegis-Explain must be 1 or true; leave it out to have the request sent.',
    {
      param: 'X-Aegis-Explain',
    },
  );
}

function isYes(value: string | string[]): boolean {
  return /^\s*(1|true)\s*$/i.test(String(value));
}
