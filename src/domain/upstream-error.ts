import { AegisError, type ErrorCode, type ErrorOptions } from './errors.js';

/**
 * What a failed attempt means for the next one:
 * - `caller`: the request is at fault; every target would say so. Restated to the client, nothing else is tried.
 * - `transient`: this target may succeed later, another one now.
 * - `rate_limited`: like `transient`, but the provider asked for a pause.
 * - `exhausted`: a refusal no wait can mend (quota spent, model gone); another target may serve.
 * - `credential`: the provider refused AEGIS's own credential; another target may serve.
 * - `invalid`: an answer that is none; another target may serve.
 */
export type FailureDisposition = 'caller' | 'transient' | 'rate_limited' | 'exhausted' | 'credential' | 'invalid';

export interface UpstreamFault {
  /** HTTP status of the upstream's answer; null where there was none, or where the fault came inside a stream. */
  readonly status: number | null;
  /** The upstream's own type, code and param, restated where the caller is at fault. */
  readonly type?: string | null;
  readonly code?: string | null;
  readonly param?: string | null;
  /** The upstream's own words, without addresses and credentials. For the client only where it is at fault itself. */
  readonly detail?: string;
}

const CODE_OF: Readonly<Record<FailureDisposition, ErrorCode>> = {
  caller: 'invalid_request',
  transient: 'upstream_error',
  rate_limited: 'upstream_rate_limited',
  exhausted: 'upstream_rate_limited',
  credential: 'upstream_auth_failed',
  invalid: 'upstream_invalid_response',
};

/** A failed attempt at one target. Retryability is decided here, once, and read everywhere else. */
export class UpstreamError extends AegisError {
  readonly disposition: FailureDisposition;
  readonly fault: UpstreamFault;
  private retriesAreSpent = false;

  constructor(
    disposition: FailureDisposition,
    message: string,
    fault: UpstreamFault,
    options: ErrorOptions & { readonly as?: ErrorCode } = {},
  ) {
    super(options.as ?? CODE_OF[disposition], message, options);
    this.name = 'UpstreamError';
    this.disposition = disposition;
    this.fault = fault;
  }

  /** The same error with the upstream's words changed; of its type, code and param none is left that would change. */
  withWords(change: (words: string) => string): UpstreamError {
    const keep = (word: string | null | undefined): string | null =>
      word !== null && word !== undefined && change(word) === word ? word : null;
    const { status, type, code, param, detail } = this.fault;
    return new UpstreamError(
      this.disposition,
      // Any other message is AEGIS's own.
      this.disposition === 'caller' ? change(this.message) : this.message,
      {
        status,
        type: keep(type),
        code: keep(code),
        param: keep(param),
        ...(detail !== undefined && { detail: change(detail) }),
      },
      {
        as: this.code,
        param: keep(this.param),
        ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
        cause: this.cause,
      },
    );
  }

  /**
   * What the client is told after AEGIS itself has tried more than once: a client that tried again, too, would multiply
   * the load on providers that are failing already.
   */
  afterRetries(): UpstreamError {
    const error = this.withWords((words) => words);
    error.retriesAreSpent = true;
    return error;
  }

  /** What the client is told where nothing else is tried: a conflict that stays one is the caller's to resolve. */
  asLastWord(): UpstreamError {
    const { status, param = null, detail } = this.fault;
    if (status !== 409) return this;
    return new UpstreamError('caller', detail ?? this.message, this.fault, { param, cause: this });
  }

  /** Whether another target (or this one, later) may do better. */
  get mayTryElsewhere(): boolean {
    return this.disposition !== 'caller';
  }

  /** A spent quota looks like a rate limit and is none: no wait mends it. */
  override get retryable(): boolean {
    return this.disposition !== 'exhausted' && !this.retriesAreSpent && super.retryable;
  }

  override get status(): number {
    return this.disposition === 'caller' && this.code !== 'content_filter' ? (this.fault.status ?? 400) : super.status;
  }

  override get type(): string {
    return this.disposition === 'caller' ? (this.fault.type ?? super.type) : super.type;
  }

  override get wireCode(): string | null {
    if (this.disposition !== 'caller' || this.code === 'content_filter') return this.code;
    return this.fault.code ?? null;
  }
}
