/**
 * The trace a request belongs to, as its client said in `traceparent` and `tracestate`.
 * Source: https://www.w3.org/TR/trace-context/
 */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** The client's span: 16 lower-case hex digits, not all zero. */
  readonly spanId: string;
  readonly isSampled: boolean;
  /** Other vendors' `tracestate`, as it came; null where there was none, or none that is valid. */
  readonly state: string | null;
}

/** Headers of a request to an upstream that name its trace; empty where it has none. */
export type TraceHeaders = Readonly<Record<string, string>>;

export const NO_TRACE_HEADERS: TraceHeaders = Object.freeze({});

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ALL_ZERO = /^0+$/;
const SAMPLED = 0x01;
/** What has to be passed on at least; what is longer is dropped as a whole. */
const MAX_STATE_CHARACTERS = 512;
const MAX_STATE_MEMBERS = 32;
const STATE_MEMBER =
  /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Null where `traceparent` is absent or not valid: then a new trace begins, and `tracestate` counts for nothing. */
export function parseTraceContext(traceparent: unknown, tracestate: unknown): TraceContext | null {
  const match = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : null;
  if (!match) return null;
  const [, version = '', traceId = '', spanId = '', flags = '', more] = match;
  // Version 00 ends here; a later one may say more, and ff is none.
  if (version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (ALL_ZERO.test(traceId) || ALL_ZERO.test(spanId)) return null;
  const isSampled = (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED;
  return { traceId, spanId, isSampled, state: parseState(tracestate) };
}

export function formatTraceHeaders({ traceId, spanId, isSampled, state }: TraceContext): TraceHeaders {
  const traceparent = `00-${traceId}-${spanId}-0${isSampled ? 1 : 0}`;
  return state === null ? { traceparent } : { traceparent, tracestate: state };
}

function parseState(header: unknown): string | null {
  if (typeof header !== 'string' || header.length > MAX_STATE_CHARACTERS) return null;
  const members = header
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  if (members.length === 0 || members.length > MAX_STATE_MEMBERS) return null;
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))));
  return keys.size === members.length && members.every((member) => STATE_MEMBER.test(member))
    ? members.join(',')
    : null;
}
