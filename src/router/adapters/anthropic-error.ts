import { isObject } from '../../domain/json.js';
import type { UpstreamError } from '../../domain/upstream-error.js';
import { readErrorObject } from './error-body.js';
import { type FaultContext, type StatedFault, toUpstreamError } from './upstream-faults.js';

/** Source: https://docs.anthropic.com/en/api/errors */
const STATUS_OF: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** Like every provider's fault; and a prompt that is too long gets the code OpenAI's clients know it by. */
export function toAnthropicFault(status: number, stated: StatedFault, context: FaultContext): UpstreamError {
  const isTooLong = stated.code === null && /prompt is too long|exceed context limit/i.test(stated.message ?? '');
  return toUpstreamError(status, isTooLong ? { ...stated, code: 'context_length_exceeded' } : stated, context);
}

/** Whether an event, or an answer that claimed success, is an error. */
export function isAnthropicError(answer: Record<string, unknown>): boolean {
  return answer.type === 'error' || isObject(answer.error);
}

/** What an error without an HTTP status of its own means. */
export function readAnthropicError(answer: Record<string, unknown>): UpstreamError {
  const stated = readErrorObject(answer);
  const type = stated.type ?? '';
  const status = Object.hasOwn(STATUS_OF, type) ? (STATUS_OF[type] ?? 500) : 500;
  return toAnthropicFault(status, stated, { fromStatus: false });
}
