import type { ChatCompletion } from './chat.js';
import type { ScreenedRequest } from './screened-request.js';
import type { ProviderType, Target } from './target.js';
import type { UpstreamError } from './upstream-error.js';
import type { TokenUsage } from './usage.js';

/** An HTTP request to a provider, complete with AEGIS's credential. */
export interface UpstreamRequest {
  readonly method: 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | string;
}

/** Response headers of an upstream, names in lower case. */
export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What an adapter may know of the request while it reads the answer. */
export interface AnswerContext {
  /** The alias the client asked for: the `model` of every answer. */
  readonly requestedModel: string;
  /** Whether the client asked for a usage chunk (`stream_options.include_usage`). */
  readonly includeUsage: boolean;
  /** Whether the client asked for an answer in JSON (`response_format`), whatever the provider is asked. */
  readonly expectsJson?: boolean;
  /** For answers whose provider gives no id. */
  readonly requestId: string;
  /** Unix time in seconds, for answers whose provider gives none. */
  readonly createdSeconds: number;
}

/** One event of a `text/event-stream`. */
export interface ServerSentEvent {
  /** The `event:` field; empty where there was none. */
  readonly type: string;
  /** The `data:` lines, joined by line feeds. */
  readonly data: string;
}

/**
 * Reads one upstream stream and says what the client gets. Holds the answer's state; lives as long as one attempt.
 * Throws `UpstreamError` for an error inside the stream and for an event that is none.
 */
export interface StreamTranslator {
  /** The chunks this event becomes: each one JSON text, a `chat.completion.chunk`. */
  push(event: ServerSentEvent): readonly string[];
  /** At the upstream's end: the last chunks. Throws where the answer is not complete: a cut stream never looks whole. */
  end(): readonly string[];
  /** True once something of the answer itself (text, reasoning, a refusal, a tool call, a finish) was seen. */
  readonly hasContent: boolean;
  /** True once the provider has said that the answer is complete, so that nothing more need be read. */
  readonly finished: boolean;
  /** The provider's own count; null until it gave one. */
  readonly usage: TokenUsage | null;
  /** Absent until it is known, or where the adapter does not tell. */
  readonly origin?: AnswerOrigin | undefined;
}

/** What the provider itself calls the answer and the model that gave it; for traces only, since both are free text. */
export interface AnswerOrigin {
  readonly id: string | null;
  readonly model: string | null;
}

export interface ParsedCompletion {
  readonly completion: ChatCompletion;
  readonly usage: TokenUsage | null;
  /** Absent where the adapter does not tell. */
  readonly origin?: AnswerOrigin;
}

/**
 * Four verbs, no I/O, no clock: everything AEGIS knows about one provider's API. One suite in `test/contract` runs
 * against every adapter.
 */
export interface ProviderAdapter {
  readonly type: ProviderType;
  /** Throws `AegisError` `unsupported_parameter` naming what this provider cannot express. */
  buildRequest(request: ScreenedRequest, target: Target): UpstreamRequest;
  /** `body` is the upstream's whole 2xx answer. Throws `UpstreamError` where it is none. */
  parseCompletion(body: Buffer, context: AnswerContext): ParsedCompletion;
  openStream(context: AnswerContext): StreamTranslator;
  /** What a non-2xx answer means. Never throws. */
  parseError(status: number, headers: UpstreamHeaders, body: Buffer): UpstreamError;
}

/** A provider that answers inside this process: the simulator. An ability of its own, found by `isLocalAdapter`. */
export interface LocalAdapter extends ProviderAdapter {
  /** The bytes a server would have sent, in the pieces it would have sent them in. */
  answer(request: UpstreamRequest): AsyncIterable<Buffer>;
}

export function isLocalAdapter(adapter: ProviderAdapter): adapter is LocalAdapter {
  return 'answer' in adapter;
}
