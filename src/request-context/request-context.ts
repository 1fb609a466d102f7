import type {} from 'fastify';
import type { ConfigSnapshot } from '../config/snapshot.js';
import type { AttemptRecord } from '../domain/accounting.js';
import type { Classification } from '../domain/classification.js';
import type { AegisError, ErrorCode } from '../domain/errors.js';
import type { Finding } from '../domain/finding.js';
import type { KeyTier } from '../domain/key-store.js';
import type { Principal } from '../domain/principal.js';
import type { MarkerSource } from '../domain/pseudonym.js';
import type { ServedBy } from '../domain/target.js';
import type { TraceContext } from '../domain/trace-context.js';
import type { RequestTrace } from '../domain/tracing.js';
import type { TokenUsage } from '../domain/usage.js';

/** One limit as its key has it and as it stands. */
export interface RateLimitFacts {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until all of it is there again. */
  readonly resetMs: number;
}

/**
 * What is known of the request being handled. Made when its headers are in, filled on the way, read by telemetry at
 * its end. One per request and never shared between two.
 */
export interface RequestContext {
  readonly requestId: string;
  /** The configuration this request keeps from its first step to its last, whatever is reloaded meanwhile. */
  readonly snapshot: ConfigSnapshot;
  /** Monotonic milliseconds. */
  readonly startedAtMs: number;
  /** Aborted when the client leaves or the gateway gives up: whoever waits for anything waits on this too. */
  readonly signal: AbortSignal;
  /** The trace the client said the request belongs to (W3C); null where it sent no valid one. */
  readonly traceContext: TraceContext | null;
  /** Null where requests are not traced. */
  readonly trace: RequestTrace | null;
  /** `X-Aegis-Project` where it was valid. */
  readonly project: string | null;
  /** The level the client asked for with `X-Aegis-Classification`; null where it sent none. */
  readonly requestedLevel: Classification | null;

  /** Set by the guard. */
  principal: Principal | null;
  /** Where the guard found the key. */
  keyTier: KeyTier | null;
  /** HMAC of the key, lower-case hex; for the stores only, never logged. */
  keyHash: string | null;

  /** Facts for the record, each set by whoever learns it first. */
  requestedModel: string | null;
  stream: boolean;
  level: Classification | null;
  findings: readonly Finding[];
  /** What stands in the place of values of the request, to be put back in the answer; null where nothing does. */
  pseudonyms: MarkerSource | null;
  served: ServedBy | null;
  /** Every try at a target, in order. */
  readonly attempts: AttemptRecord[];
  /** The served attempt's; once the request is accounted for, all attempts' together. */
  usage: TokenUsage | null;
  /** All attempts together; null where none has a price. Set as the request is accounted for, before limits settle. */
  costNanoUsd: bigint | null;
  /** The finish reason of the first choice. */
  finishReason: string | null;
  /** Of its usage record; null until the request has come as far as being accounted for. */
  usageId: string | null;
  /** Called before each attempt. Throws an `AegisError` where it could not be accounted for: then nothing is sent. */
  beforeAttempt: ((provider: string, model: string) => void) | null;
  /** What is done once the stream that is being written has ended; null where none is. */
  atStreamEnd: (() => void)[] | null;
  /** Set once the usage record is made: there is one a request. */
  isAccountedFor: boolean;
  /** Time spent waiting on upstreams, in milliseconds. */
  upstreamMs: number;
  /** From the request's start to the first content of the answer, in milliseconds. */
  firstContentMs: number | null;
  /** The part of `firstContentMs` in which no upstream was waited for. */
  firstContentOverheadMs: number | null;
  /** As they stood when the request was let in or refused; null where the key has no such limit, or nobody counted. */
  rateLimits: { readonly requests: RateLimitFacts | null; readonly tokens: RateLimitFacts | null } | null;
  /** Set where the request failed; the wire code. An upstream's own where the error restates one. */
  errorCode: string | null;
  /** Set where the request failed; AEGIS's own word for it. */
  failedWith: ErrorCode | null;
}

/** What is known of a request before anything has been done with it. */
export type RequestBeginning = Pick<
  RequestContext,
  'requestId' | 'snapshot' | 'startedAtMs' | 'signal' | 'traceContext' | 'trace' | 'project' | 'requestedLevel'
>;

export function beginContext(beginning: RequestBeginning): RequestContext {
  return {
    requestId: beginning.requestId,
    snapshot: beginning.snapshot,
    startedAtMs: beginning.startedAtMs,
    signal: beginning.signal,
    traceContext: beginning.traceContext,
    trace: beginning.trace,
    project: beginning.project,
    requestedLevel: beginning.requestedLevel,
    principal: null,
    keyTier: null,
    keyHash: null,
    requestedModel: null,
    stream: false,
    level: null,
    findings: [],
    pseudonyms: null,
    served: null,
    attempts: [],
    usage: null,
    costNanoUsd: null,
    finishReason: null,
    usageId: null,
    beforeAttempt: null,
    atStreamEnd: null,
    isAccountedFor: false,
    upstreamMs: 0,
    firstContentMs: null,
    firstContentOverheadMs: null,
    rateLimits: null,
    errorCode: null,
    failedWith: null,
  };
}

/** Calls `step` once the answer is over: now, or when the stream that is being written has ended. */
export function onceAnswered({ atStreamEnd }: RequestContext, step: () => void): void {
  if (atStreamEnd === null) step();
  else atStreamEnd.push(step);
}

/** What the client is told, in both words. */
export function noteFailure(context: RequestContext, error: AegisError): void {
  context.errorCode = error.wireCode ?? error.code;
  context.failedWith = error.code;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the first hook of every request. */
    aegis: RequestContext;
  }
}
