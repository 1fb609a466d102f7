import type { UpstreamHeaders } from '../../domain/provider-adapter.js';
import { type FailureDisposition, UpstreamError } from '../../domain/upstream-error.js';
import { restateMessage, restateName, restateParam } from './upstream-words.js';

/** What a provider said of a failure, whatever envelope it said it in. */
export interface StatedFault {
  readonly message: string | null;
  readonly type: string | null;
  readonly code: string | null;
  readonly param: string | null;
}

export interface FaultContext {
  /** False where the fault came inside a stream or in an answer that claimed success. */
  readonly fromStatus: boolean;
  readonly headers?: UpstreamHeaders;
}

const CONTENT_FILTER_CODES: ReadonlySet<string> = new Set([
  'content_filter',
  'content_policy_violation',
  'ResponsibleAIPolicyViolation',
]);

/**
 * The one place that says what a provider's failure means. Only a fault of the caller is restated in the provider's
 * words; every other one is told in AEGIS's own, because a provider's words may hold a part of a credential or a host.
 */
export function toUpstreamError(status: number, stated: StatedFault, context: FaultContext): UpstreamError {
  const disposition = dispositionOf(status, stated);
  const retryAfterMs = context.headers && findRetryAfterMs(context.headers);
  const fault = {
    status: context.fromStatus ? status : null,
    type: restateName(stated.type),
    code: restateName(stated.code),
    param: restateParam(stated.param),
    ...(stated.message !== null && { detail: restateMessage(stated.message) }),
  };
  const options = {
    param: disposition === 'caller' ? fault.param : null,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  switch (disposition) {
    case 'caller': {
      const filtered = isContentFilter(stated);
      const fallback = filtered
        ? "The provider's content filter refused this request. Change the prompt and try again."
        : `The provider refused this request (HTTP ${status}) without saying why.`;
      return new UpstreamError(
        disposition,
        fault.detail ?? fallback,
        fault,
        filtered ? { ...options, as: 'content_filter' } : options,
      );
    }
    case 'rate_limited':
      return new UpstreamError(disposition, 'The provider is limiting requests. Try again later.', fault, options);
    case 'exhausted':
      return new UpstreamError(
        disposition,
        "The provider refused this request because a quota at the provider does not allow it. Tell the gateway's operator.",
        fault,
        options,
      );
    case 'credential':
      return new UpstreamError(
        disposition,
        "The provider refused the gateway's own credential. Tell the gateway's operator.",
        fault,
        options,
      );
    case 'transient':
      return status === 408 || status === 504
        ? new UpstreamError(disposition, 'The provider ran out of time. Try again.', fault, {
            ...options,
            as: 'upstream_timeout',
          })
        : new UpstreamError(disposition, 'The provider failed to answer. Try again.', fault, options);
    case 'invalid':
      return new UpstreamError(
        disposition,
        `The provider answered in a way AEGIS does not follow (HTTP ${status}).`,
        fault,
        options,
      );
    default:
      return disposition satisfies never;
  }
}

function dispositionOf(status: number, stated: StatedFault): FailureDisposition {
  if (status === 401 || status === 403) return 'credential';
  if (status === 402) return 'exhausted';
  if (status === 429) return isExhausted(stated) ? 'exhausted' : 'rate_limited';
  if (status === 400 || status === 404 || status === 413 || status === 422) {
    const message = stated.message ?? '';
    // Some providers answer a refused credential, or an empty account, with a 400. Only a message that begins with the
    // key is about it: further on, it may be the client's own words, and they must not take a provider out of service.
    if (/^\W*(?:(?:incorrect|invalid|missing|no|your|the)\s+)?api[ _-]?key\b/i.test(message)) return 'credential';
    if (/\bcredit balance\b/i.test(message)) return 'exhausted';
    return 'caller';
  }
  return status >= 400 ? 'transient' : 'invalid';
}

/** A 429 that no wait can mend: the account is empty, or this one request is larger than the whole allowance. */
function isExhausted({ code, type, message }: StatedFault): boolean {
  if (code === 'insufficient_quota' || type === 'insufficient_quota') return true;
  return message !== null && /request too large|exceeded your current quota/i.test(message);
}

function isContentFilter({ code }: StatedFault): boolean {
  return code !== null && CONTENT_FILTER_CODES.has(code);
}

/**
 * How long the provider asks to be left alone, in milliseconds; undefined where it does not say. A date is read
 * against the answer's own `date`, so that two clocks never disagree.
 */
function findRetryAfterMs(headers: UpstreamHeaders): number | undefined {
  for (const name of ['retry-after-ms', 'x-ms-retry-after-ms']) {
    const milliseconds = Number(firstValue(headers[name]) ?? '');
    if (Number.isFinite(milliseconds) && milliseconds > 0) return milliseconds;
  }
  const text = firstValue(headers['retry-after'])?.trim();
  if (!text) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1000 : undefined;
  const wait = parseHttpDate(text) - parseHttpDate(firstValue(headers.date) ?? '');
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

/** NaN for anything else: `Date.parse` alone reads a year into `5,5`, and a day into `-1`. */
function parseHttpDate(text: string): number {
  return /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN;
}

function firstValue(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
