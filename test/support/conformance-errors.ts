import type { OracleEntry, Recording } from './recordings.js';

/** The error a client has to get. Null: anything. */
export interface ExpectedError {
  /** Where it comes before the stream has begun; inside a stream there is no status. */
  readonly status: number;
  readonly type: string | null;
  readonly code: string | null | undefined;
  /** The provider's words, where they are for the caller; null: they must not be told. */
  readonly words: string | null;
  /** What must not be told. */
  readonly secretWords: string | null;
}

interface Stated {
  readonly message: string | null;
  readonly type: string | null;
  readonly code: string | null;
}

/** An answer that is none, or a stream that ends before its end. */
export const INVALID_RESPONSE: ExpectedError = {
  status: 502,
  type: 'upstream_error',
  code: 'upstream_invalid_response',
  words: null,
  secretWords: null,
};

/** SPEC section 2, read from the provider's status on. What is not here is a failure of the provider. */
const FAULTS_OF_THE_CALLER: readonly number[] = [400, 404, 409, 413, 422];
const OWN_ERRORS: Readonly<Record<number, { status: number; type: string; code: string }>> = {
  401: { status: 502, type: 'upstream_error', code: 'upstream_auth_failed' },
  402: { status: 429, type: 'rate_limit_error', code: 'upstream_rate_limited' },
  403: { status: 502, type: 'upstream_error', code: 'upstream_auth_failed' },
  408: { status: 504, type: 'timeout_error', code: 'upstream_timeout' },
  429: { status: 429, type: 'rate_limit_error', code: 'upstream_rate_limited' },
  504: { status: 504, type: 'timeout_error', code: 'upstream_timeout' },
};
const FAILED = { status: 502, type: 'upstream_error', code: 'upstream_error' };

/** What an error inside a stream would have had for a status. */
const STATUS_INSIDE: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  BadRequestError: 400,
  content_filter: 400,
  context_length_exceeded: 400,
  authentication_error: 401,
  invalid_api_key: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  timeout_error: 504,
};

/** The class of the official SDK for a status. */
const CLASSES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'AuthenticationError',
  403: 'PermissionDeniedError',
  404: 'NotFoundError',
  409: 'ConflictError',
  422: 'UnprocessableEntityError',
  429: 'RateLimitError',
};

export function classOf(status: number): string {
  return CLASSES[status] ?? (status >= 500 ? 'InternalServerError' : 'APIError');
}

/** What a client has to get of an answer with this status, and by which rules. */
export function errorOfStatus(
  { api, status, body_text: body }: Recording,
  oracle: OracleEntry,
): { error: ExpectedError; rules: string[] } {
  const spelt = statedIn(body);
  const said = oracle.error;
  const stated = {
    message: spelt.message,
    type: said?.type ?? spelt.type,
    code: said?.code === null || said?.code === undefined ? spelt.code : String(said.code),
  };
  return expectedError(api, status, stated);
}

/** What a client has to get of an error that a provider reports inside an answer of status 200. */
export function errorInside(api: string, error: Readonly<Record<string, unknown>>): ExpectedError {
  const stated = { message: wordOf(error.message), type: wordOf(error.type), code: wordOf(error.code) };
  const number = Number(stated.code);
  const named = [stated.code, stated.type].find((word) => word !== null && Object.hasOwn(STATUS_INSIDE, word)) ?? '';
  const status = number >= 400 && number <= 599 ? number : (STATUS_INSIDE[named] ?? 500);
  const { error: expected } = expectedError(api, status, stated);
  return expected;
}

function expectedError(api: string, status: number, stated: Stated): { error: ExpectedError; rules: string[] } {
  const { message } = stated;
  const hidden = { words: null, secretWords: message };
  const own = (error: { status: number; type: string; code: string }, rules: string[]) => ({
    error: { ...error, ...hidden },
    rules,
  });
  if (!FAULTS_OF_THE_CALLER.includes(status)) return own(OWN_ERRORS[status] ?? FAILED, []);
  if (status !== 409) {
    if (/^\W*((incorrect|invalid|missing|no|your|the)\s+)?api[ _-]?key\b/i.test(message ?? '')) {
      return own(OWN_ERRORS[401] ?? FAILED, ["a 400 that speaks of AEGIS's own key is no fault of the caller"]);
    }
    if (/\bcredit balance\b/i.test(message ?? '')) {
      return own(OWN_ERRORS[402] ?? FAILED, ["a 400 that speaks of AEGIS's own account is no fault of the caller"]);
    }
  }
  const told = { words: message, secretWords: null };
  if (/^(content_filter|content_policy_violation|ResponsibleAIPolicyViolation)$/.test(stated.code ?? '')) {
    return { error: { status: 400, type: 'invalid_request_error', code: 'content_filter', ...told }, rules: [] };
  }
  const isTooLong = api === 'messages' && /prompt is too long|exceed context limit/i.test(message ?? '');
  const code = isTooLong ? 'context_length_exceeded' : plain(stated.code);
  return {
    error: { status, type: plain(stated.type) ?? 'invalid_request_error', code, ...told },
    rules: isTooLong ? ["a prompt that is too long has OpenAI's code for it"] : [],
  };
}

/** A type or code that is one; anything else is left out. */
function plain(name: string | null): string | null {
  return name !== null && /^[\w.-]{1,64}$/.test(name) ? name : null;
}

/** What a body says of an error, in any of the envelopes there are. */
function statedIn(body: string): Stated {
  const nothing: Stated = { message: null, type: null, code: null };
  let root: unknown;
  try {
    root = JSON.parse(body);
  } catch {
    return nothing;
  }
  if (Array.isArray(root)) root = root[0];
  if (!isRecord(root)) return nothing;
  const { error, detail } = root;
  if (typeof error === 'string') return { ...nothing, message: error, type: wordOf(root.error_type) };
  const [first] = Array.isArray(root.errors) ? (root.errors as unknown[]) : [];
  if (isRecord(first)) return { message: wordOf(first.message), type: wordOf(first.type), code: wordOf(first.code) };
  if (isRecord(error)) {
    const inner = isRecord(error.innererror) ? wordOf(error.innererror.code) : null;
    const code = inner === 'ResponsibleAIPolicyViolation' ? 'content_filter' : wordOf(error.code);
    return { message: wordOf(error.message), type: wordOf(error.type), code };
  }
  if (typeof detail === 'string') return { ...nothing, message: detail };
  // One entry for each field at fault: how they are put together is told nowhere.
  if (detail !== undefined) return nothing;
  return { message: wordOf(root.message), type: wordOf(root.type), code: wordOf(root.code) };
}

function wordOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Whether a message restates the provider's words: addresses and credentials may be struck out, an end cut off, and the
 * names of the filters that refused a prompt added.
 */
export function restates(message: string, words: string): boolean {
  let from = 0;
  for (const piece of message.replace(/ Filtered by: [a-z_, ]+\.$/, '').split(/\[address\]|\[redacted\]|…$/)) {
    const found = words.indexOf(piece, from);
    if (found === -1) return false;
    from = found + piece.length;
  }
  return message !== '';
}
