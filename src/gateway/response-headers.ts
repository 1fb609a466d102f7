import type { AegisError } from '../domain/errors.js';
import type { RateLimitFacts, RequestContext } from '../request-context/request-context.js';

/** Longest pause a client is told to make, in seconds. */
const MAX_RETRY_AFTER_SECONDS = 60;
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** What HTTP lets stand in a header; anything else is percent-encoded as UTF-8. */
export function toHeaderValue(text: string): string {
  return /^[\x21-\x7e]*$/.test(text) ? text : encodeURIComponent(text);
}

/** Facts about who answered and at which level, on every answer that knows them. */
export function answerHeaders(context: RequestContext): Record<string, string> {
  const headers: Record<string, string> = { 'x-request-id': context.requestId };
  if (context.level) headers['x-aegis-classification'] = context.level;
  if (context.served) {
    headers['x-aegis-provider'] = toHeaderValue(context.served.provider);
    headers['x-aegis-model'] = toHeaderValue(context.served.model);
    headers['x-aegis-attempts'] = String(context.served.attempts);
  }
  if (context.rateLimits) {
    addRateLimit(headers, 'requests', context.rateLimits.requests);
    addRateLimit(headers, 'tokens', context.rateLimits.tokens);
  }
  return headers;
}

/** As OpenAI's clients read them. */
function addRateLimit(headers: Record<string, string>, what: string, facts: RateLimitFacts | null): void {
  if (facts === null) return;
  headers[`x-ratelimit-limit-${what}`] = String(facts.limit);
  headers[`x-ratelimit-remaining-${what}`] = String(facts.remaining);
  headers[`x-ratelimit-reset-${what}`] = formatReset(facts.resetMs);
}

/** `120ms`, `1s`, `6m0s`: rounded up, so that who waits as long as it says has waited enough. */
export function formatReset(durationMs: number): string {
  if (durationMs < 1000) return `${Math.ceil(durationMs)}ms`;
  const seconds = Math.ceil(durationMs / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Whole seconds, rounded up: who comes at that time comes late enough. */
export function formatRetryAfter(afterMs: number): string {
  return String(Math.min(Math.ceil(afterMs / 1000) || DEFAULT_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS));
}

export function errorHeaders(error: AegisError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (error.status === 429 || error.status === 503) {
    headers['retry-after'] = formatRetryAfter(error.retryAfterMs ?? 0);
  }
  if (!error.retryable) headers['x-should-retry'] = 'false';
  return headers;
}
