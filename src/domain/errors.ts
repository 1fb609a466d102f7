import { type Finding, pointerOf } from './finding.js';

/**
 * Every error AEGIS answers with, on one screen. `docs/errors.md` has a heading for each code; a test holds the
 * two together. `retry` says whether the same request may succeed later without being changed.
 */
export const ERRORS = {
  invalid_json: { status: 400, type: 'invalid_request_error', retry: false },
  invalid_request: { status: 400, type: 'invalid_request_error', retry: false },
  unsupported_parameter: { status: 400, type: 'invalid_request_error', retry: false },
  content_filter: { status: 400, type: 'invalid_request_error', retry: false },
  invalid_api_key: { status: 401, type: 'authentication_error', retry: false },
  budget_exceeded: { status: 402, type: 'billing_error', retry: false },
  pricing_unknown: { status: 402, type: 'billing_error', retry: false },
  client_certificate_required: { status: 403, type: 'permission_error', retry: false },
  classification_denied: { status: 403, type: 'permission_error', retry: false },
  model_not_allowed: { status: 403, type: 'permission_error', retry: false },
  explain_not_allowed: { status: 403, type: 'permission_error', retry: false },
  model_not_found: { status: 404, type: 'invalid_request_error', retry: false },
  not_found: { status: 404, type: 'invalid_request_error', retry: false },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retry: false },
  request_too_large: { status: 413, type: 'invalid_request_error', retry: false },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retry: false },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retry: true },
  authentication_rate_limited: { status: 429, type: 'rate_limit_error', retry: true },
  concurrency_limit_exceeded: { status: 429, type: 'rate_limit_error', retry: true },
  upstream_rate_limited: { status: 429, type: 'rate_limit_error', retry: true },
  client_closed_request: { status: 499, type: 'invalid_request_error', retry: false },
  internal_error: { status: 500, type: 'server_error', retry: false },
  upstream_error: { status: 502, type: 'upstream_error', retry: true },
  upstream_auth_failed: { status: 502, type: 'upstream_error', retry: false },
  upstream_invalid_response: { status: 502, type: 'upstream_error', retry: true },
  no_target_available: { status: 503, type: 'server_error', retry: true },
  dependency_unavailable: { status: 503, type: 'server_error', retry: true },
  overloaded: { status: 503, type: 'server_error', retry: true },
  shutting_down: { status: 503, type: 'server_error', retry: true },
  upstream_timeout: { status: 504, type: 'timeout_error', retry: true },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

interface ErrorFacts {
  readonly status: number;
  readonly type: string;
  readonly retry: boolean;
}

export interface ErrorOptions {
  /** The request's field that is at fault, as the client wrote it, e.g. `messages[0].role`. */
  readonly param?: string | null;
  /** When to try again; rounded up to whole seconds and capped at 60 on the wire. */
  readonly retryAfterMs?: number;
  readonly findings?: readonly Finding[];
  readonly cause?: unknown;
}

/** What the client gets: one envelope for every failure, before and during streams. */
export interface ErrorEnvelope {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
    readonly request_id: string;
    readonly findings?: readonly {
      readonly filter: string;
      readonly rule: string;
      readonly path: string;
      /** The same place as a JSON pointer (RFC 6901). */
      readonly pointer: string;
    }[];
  };
}

/**
 * A failure with its answer. `message` is for the client: what is wrong and what to do, never a secret, a stack,
 * an upstream host or a credential. `cause` is for the log.
 */
export class AegisError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterMs: number | undefined;
  readonly findings: readonly Finding[] | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AegisError';
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfterMs = options.retryAfterMs;
    this.findings = options.findings;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get type(): string {
    return ERRORS[this.code].type;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retry;
  }

  /** The code on the wire; an upstream's own where the error restates one. */
  get wireCode(): string | null {
    return this.code;
  }

  toEnvelope(requestId: string): ErrorEnvelope {
    return {
      error: {
        message: this.message,
        type: this.type,
        param: this.param,
        code: this.wireCode,
        request_id: requestId,
        ...(this.findings && {
          findings: this.findings.map(({ filter, rule, path }) => ({ filter, rule, path, pointer: pointerOf(path) })),
        }),
      },
    };
  }
}

/** Anything thrown → an `AegisError`; what is not one is a fault of AEGIS and tells the client nothing more. */
export function toAegisError(thrown: unknown): AegisError {
  if (thrown instanceof AegisError) return thrown;
  return new AegisError(
    'internal_error',
    'AEGIS failed to handle this request. The request id identifies it in the logs.',
    {
      cause: thrown,
    },
  );
}
