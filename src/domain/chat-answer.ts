import type { Observable } from 'rxjs';
import type { ChatCompletion } from './chat.js';
import type { ServedBy } from './target.js';
import type { TokenUsage } from './usage.js';

/** Slows the source of a stream while its reader is slow. */
export interface FlowControl {
  pause(): void;
  resume(): void;
}

export interface CompletionAnswer {
  readonly kind: 'completion';
  readonly served: ServedBy;
  readonly completion: ChatCompletion;
  readonly usage: TokenUsage | null;
}

/**
 * A stream that has begun: its first content is in. `chunks` takes one subscriber; each emission is what one read of
 * the upstream became (JSON texts). It completes only where the answer is whole, else errors with an `AegisError`;
 * unsubscribing aborts the upstream call.
 */
export interface StreamAnswer {
  readonly kind: 'stream';
  readonly served: ServedBy;
  readonly chunks: Observable<readonly string[]>;
  readonly flow: FlowControl;
  /** The provider's count so far; final once `chunks` has ended. */
  usage(): TokenUsage | null;
}

export type ChatAnswer = CompletionAnswer | StreamAnswer;
