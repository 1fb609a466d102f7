import type { ChatCompletionRequest } from './chat.js';
import type { AttemptOutcome } from './observer.js';
import type { AnswerOrigin } from './provider-adapter.js';
import type { Target } from './target.js';
import type { TraceHeaders } from './trace-context.js';
import type { TokenUsage } from './usage.js';

/** How a try at a target ended, for its span. */
export interface AttemptTraceEnd {
  readonly outcome: AttemptOutcome;
  /** Of the upstream's answer; null where it gave none, or 2xx. */
  readonly status: number | null;
  readonly durationMs: number;
  readonly usage: TokenUsage | null;
  readonly origin: AnswerOrigin | null;
  /** One for each choice that ended. */
  readonly finishReasons: readonly string[];
}

/** The span of one try at one target. Never throws, never blocks. */
export interface AttemptTrace {
  /** What its upstream request carries, so that the provider's spans hang on this one. */
  readonly headers: TraceHeaders;
  /** The first chunk of a stream is in, so long after the attempt began. */
  firstChunk(afterMs: number): void;
  /** Another one is in, so long after the one before. */
  nextChunk(afterMs: number): void;
  end(end: AttemptTraceEnd): void;
}

/** The trace of one request: its own span, and one for each attempt. It holds numbers and names, never a word of content. */
export interface RequestTrace {
  readonly traceId: string;
  readonly spanId: string;
  startAttempt(target: Target, chat: ChatCompletionRequest): AttemptTrace;
}
