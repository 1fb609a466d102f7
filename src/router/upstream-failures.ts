import type { AegisError } from '../domain/errors.js';
import type { AttemptOutcome } from '../domain/observer.js';
import { UpstreamError } from '../domain/upstream-error.js';

/** The part of an attempt that a time limit bounds. */
export type UpstreamPhase = 'connect' | 'first_byte' | 'first_content' | 'idle' | 'total';

const TOO_LATE: Readonly<Record<UpstreamPhase, string>> = {
  connect: 'The provider could not be reached in time.',
  first_byte: 'The provider did not begin to answer in time.',
  first_content: 'The provider did not begin to answer in time.',
  idle: 'The provider stopped in the middle of its answer.',
  total: 'The provider did not finish its answer in time.',
};

/** The request never reached the provider: no name, no route, nobody listening, no trusted certificate. */
export class UpstreamConnectError extends UpstreamError {
  constructor(cause: unknown) {
    super('transient', 'The provider could not be reached.', { status: null }, { cause });
    this.name = 'UpstreamConnectError';
  }
}

export function timeoutError(phase: UpstreamPhase, cause?: unknown): UpstreamError {
  return new UpstreamError('transient', TOO_LATE[phase], { status: null }, { as: 'upstream_timeout', cause });
}

/** The time for the whole answer was over, and its reader had kept the provider waiting: nobody knows whose fault it is. */
export class SlowReaderError extends UpstreamError {
  constructor() {
    super('transient', 'The answer was not finished in time.', { status: null }, { as: 'upstream_timeout' });
    this.name = 'SlowReaderError';
  }
}

/** The connection broke after the request was on its way. */
export function brokenConnectionError(cause: unknown): UpstreamError {
  return new UpstreamError('transient', 'The connection to the provider broke.', { status: null }, { cause });
}

/** Another request was told so a moment ago, and the provider's pause is not over. */
export function coolingDownError(retryAfterMs: number): UpstreamError {
  return new UpstreamError('rate_limited', 'The provider is limiting requests.', { status: 429 }, { retryAfterMs });
}

/** An answer that is none. `what` completes "The provider …". */
export function invalidAnswerError(what: string, status: number | null = null, cause?: unknown): UpstreamError {
  return new UpstreamError('invalid', `The provider ${what}.`, { status }, { cause });
}

/** How an attempt that ended with this error is counted. */
export function outcomeOf(error: AegisError): AttemptOutcome {
  if (!(error instanceof UpstreamError)) return 'cancelled';
  switch (error.disposition) {
    case 'caller':
      return 'caller_fault';
    case 'rate_limited':
    case 'exhausted':
      return 'rate_limited';
    case 'credential':
      return 'credential';
    case 'invalid':
      return 'invalid_response';
    case 'transient':
      if (error.code === 'upstream_timeout') return 'timeout';
      return error instanceof UpstreamConnectError ? 'connect' : 'upstream_fault';
    default:
      return error.disposition satisfies never;
  }
}
