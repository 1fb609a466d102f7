import type { ChatCompletionRequest } from '../domain/chat.js';
import type { Clock } from '../domain/clock.js';
import type { AegisError } from '../domain/errors.js';
import type { AttemptOutcome, GatewayObserver } from '../domain/observer.js';
import type { UpstreamRequest } from '../domain/provider-adapter.js';
import type { Target } from '../domain/target.js';
import { formatTraceHeaders, NO_TRACE_HEADERS, type TraceHeaders } from '../domain/trace-context.js';
import type { AttemptTrace } from '../domain/tracing.js';
import { UpstreamError } from '../domain/upstream-error.js';
import type { RequestContext } from '../request-context/request-context.js';
import type { ReceivedAnswer } from './attempt.js';

export interface WatchParts {
  readonly observer: GatewayObserver;
  readonly clock: Clock;
}

/** Tells metrics, and the request's trace where it has one, what becomes of one attempt. */
export class AttemptWatch {
  /** What the upstream request carries: this attempt's span, or the client's where nobody traces. */
  readonly traceHeaders: TraceHeaders;
  private readonly trace: AttemptTrace | null;
  private readonly model: string;
  private readonly startedAtMs: number;
  private lastChunkAtMs: number | null = null;

  constructor(
    private readonly parts: WatchParts,
    context: RequestContext,
    private readonly target: Target,
    chat: ChatCompletionRequest,
  ) {
    this.model = chat.model;
    this.startedAtMs = parts.clock.monotonicMs();
    this.trace = context.trace?.startAttempt(target, chat) ?? null;
    this.traceHeaders = findTraceHeaders(context, this.trace);
  }

  /** Chunks that came in one read came at one time: all but the first of them took none. */
  chunksCame(count: number): void {
    const nowMs = this.parts.clock.monotonicMs();
    let left = count;
    if (this.lastChunkAtMs === null) {
      this.trace?.firstChunk(nowMs - this.startedAtMs);
      left--;
    }
    for (let afterMs = nowMs - (this.lastChunkAtMs ?? nowMs); left > 0; left--, afterMs = 0) {
      this.parts.observer.chunkReceived(this.model, this.target.provider.name, afterMs);
      this.trace?.nextChunk(afterMs);
    }
    this.lastChunkAtMs = nowMs;
  }

  ended(outcome: AttemptOutcome, error: AegisError | null, received: ReceivedAnswer, durationMs: number): void {
    const { usage, origin, finishReasons } = received;
    const status = error instanceof UpstreamError ? error.fault.status : null;
    this.parts.observer.attemptEnded(this.target.provider.name, this.target.model, outcome, durationMs);
    this.trace?.end({ outcome, status, durationMs, usage, origin, finishReasons });
  }
}

export function withTraceHeaders(request: UpstreamRequest, headers: TraceHeaders): UpstreamRequest {
  return headers === NO_TRACE_HEADERS ? request : { ...request, headers: { ...request.headers, ...headers } };
}

function findTraceHeaders({ traceContext, snapshot }: RequestContext, trace: AttemptTrace | null): TraceHeaders {
  if (!snapshot.gateway.telemetry.propagateTraceContext) return NO_TRACE_HEADERS;
  if (trace) return trace.headers;
  return traceContext ? formatTraceHeaders(traceContext) : NO_TRACE_HEADERS;
}
