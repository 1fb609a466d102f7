import { isObject } from '../../domain/json.js';
import type { UpstreamError } from '../../domain/upstream-error.js';
import { readErrorObject } from './error-body.js';
import { toUpstreamError } from './upstream-faults.js';

/** Types and codes that say more than "the provider failed", in answers whose HTTP status was 200. */
const STATUS_OF: Readonly<Record<string, number>> = {
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  RateLimitError: 429,
  too_many_requests: 429,
  insufficient_quota: 429,
  invalid_api_key: 401,
  authentication_error: 401,
  permission_error: 403,
  invalid_request_error: 400,
  content_filter: 400,
  context_length_exceeded: 400,
  BadRequestError: 400,
  overloaded: 529,
  overloaded_error: 529,
};

/**
 * Whether an answer that came with HTTP 200 is an error: `{"error": …}`, or a flat `{"object": "error", …}` (vLLM)
 * or `{"type": "error", …}`. An empty `error` beside choices is none.
 */
export function isInBandError(answer: Record<string, unknown>): boolean {
  const { error } = answer;
  if (answer.object === 'error' || (answer.type === 'error' && answer.choices === undefined)) return true;
  if (error === undefined || error === null || error === false || error === '') return false;
  return !(isObject(error) && Object.keys(error).length === 0 && Array.isArray(answer.choices));
}

/** Whether a choice tells of its own failure, as OpenRouter's do: what came of it is not all of it. */
export function isFailedChoice({ error }: Record<string, unknown>): boolean {
  return isObject(error) ? Object.keys(error).length > 0 : Boolean(error);
}

/** What an error inside a stream, of a choice, or in an answer that claimed success, means. */
export function readInBandError(answer: Record<string, unknown>): UpstreamError {
  const stated = readErrorObject(answer);
  const number = Number(stated.code);
  const named = [stated.code, stated.type].find((word) => word !== null && Object.hasOwn(STATUS_OF, word));
  const status = number >= 400 && number <= 599 ? number : named ? (STATUS_OF[named] ?? 500) : 500;
  return toUpstreamError(status, stated, { fromStatus: false });
}
