import type { ErrorCode } from './errors.js';

/**
 * Whose doing a failure is, for whoever has to act on it:
 * - `caller`: the request is at fault, or its client left;
 * - `policy`: a filter, a classification or a key's rights forbid it;
 * - `limit`: a rate limit or a budget is spent;
 * - `provider`: an upstream failed, refused or was silent;
 * - `gateway`: AEGIS itself, or a store it needs.
 */
export const ERROR_CAUSES = ['caller', 'policy', 'limit', 'provider', 'gateway'] as const;
export type ErrorCause = (typeof ERROR_CAUSES)[number];

/** The one place that says so. A code that is new fails to compile until it is given its cause here. */
export function causeOf(code: ErrorCode): ErrorCause {
  switch (code) {
    case 'invalid_json':
    case 'invalid_request':
    case 'unsupported_parameter':
    case 'invalid_api_key':
    case 'client_certificate_required':
    case 'authentication_rate_limited':
    case 'model_not_found':
    case 'not_found':
    case 'method_not_allowed':
    case 'request_too_large':
    case 'unsupported_media_type':
    case 'client_closed_request':
      return 'caller';
    case 'content_filter':
    case 'classification_denied':
    case 'model_not_allowed':
    case 'explain_not_allowed':
    case 'pricing_unknown':
      return 'policy';
    case 'budget_exceeded':
    case 'rate_limit_exceeded':
    case 'concurrency_limit_exceeded':
      return 'limit';
    case 'upstream_rate_limited':
    case 'upstream_error':
    case 'upstream_auth_failed':
    case 'upstream_invalid_response':
    case 'upstream_timeout':
    case 'no_target_available':
      return 'provider';
    case 'internal_error':
    case 'dependency_unavailable':
    case 'overloaded':
    case 'shutting_down':
      return 'gateway';
    default:
      return code satisfies never;
  }
}
