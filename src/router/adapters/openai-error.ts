import { isObject } from '../../domain/json.js';
import type { UpstreamError } from '../../domain/upstream-error.js';
import { readErrorObject } from './error-body.js';
import { toUpstreamError } from './upstream-faults.js';

/** Types and codes that say more than "the provider failed", in answers whose HTTP status was 200. */
const STATUS_OF: Readonly<Record<string, number>> = {
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  invalid_api_key: 401,
  authentication_error: 401,
  permission_error: 403,
  invalid_request_error: 400,
  content_filter: 400,
  context_length_exceeded: 400,
  BadRequestError: 400,
};

/** Whether an answer that came with HTTP 200 is an error: `{"error": …}`, or vLLM's flat `{"object": "error", …}`. */
export function isInBandError(answer: Record<string, unknown>): boolean {
  return isObject(answer.error) || typeof answer.error === 'string' || answer.object === 'error';
}

/** What an error inside a stream, or in an answer that claimed success, means. */
export function readInBandError(answer: Record<string, unknown>): UpstreamError {
  const stated = readErrorObject(answer);
  const number = Number(stated.code);
  const named = [stated.code, stated.type].find((word) => word !== null && Object.hasOwn(STATUS_OF, word));
  const status = number >= 400 && number <= 599 ? number : named ? (STATUS_OF[named] ?? 500) : 500;
  return toUpstreamError(status, stated, { fromStatus: false });
}
