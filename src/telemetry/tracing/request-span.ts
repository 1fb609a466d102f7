import type { Attributes } from '@opentelemetry/api';
import type { RequestContext } from '../../request-context/request-context.js';
import type { RequestFacts } from '../request-line.js';

/**
 * The request's span as HTTP's conventions have it. `url.path` is the route's pattern: a path can hold what its client
 * likes. Header values, the query and the user agent stay out for the same reason.
 * Source: https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/http/http-spans.md
 */
export function buildRequestAttributes(context: RequestContext, facts: RequestFacts): Attributes {
  const { principal } = context;
  return {
    'url.path': facts.route,
    'url.scheme': 'http',
    'http.response.status_code': facts.status,
    ...(facts.failure && isServerFault(facts) && { 'error.type': facts.failure.code }),
    'aegis.request_id': context.requestId,
    ...(facts.failure && { 'aegis.error.code': facts.failure.code, 'aegis.error.cause': facts.failure.cause }),
    ...(principal && {
      'aegis.key_id': principal.keyId,
      'aegis.organization': principal.organization,
      'aegis.team': principal.team,
    }),
    ...(context.requestedModel !== null && { 'aegis.model': facts.model, 'aegis.stream': context.stream }),
    ...(context.level && { 'aegis.classification': context.level }),
    'aegis.attempts': context.attempts.length,
    ...(facts.overheadMs !== null && { 'aegis.overhead': facts.overheadMs / 1000 }),
  };
}

/**
 * HTTP's conventions make no error of a 4xx. A stream that a provider or AEGIS broke off is one, whatever its status line
 * said; one that its client left, a limit or a policy ended is none.
 */
export function isServerFault({ status, failure }: RequestFacts): boolean {
  if (failure === null || (status >= 400 && status < 500)) return false;
  return status >= 500 || failure.cause === 'provider' || failure.cause === 'gateway';
}
