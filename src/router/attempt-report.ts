import type { ChatCompletionRequest } from '../domain/chat.js';
import type { AegisError } from '../domain/errors.js';
import type { ServedBy, Target } from '../domain/target.js';
import { measurePrompt, type PromptSize } from '../domain/token-estimate.js';
import type { TraceHeaders } from '../domain/trace-context.js';
import type { UpstreamError } from '../domain/upstream-error.js';
import type { RequestContext } from '../request-context/request-context.js';
import type { AttemptListener, ReceivedAnswer } from './attempt.js';
import { describeAttempt } from './attempt-record.js';
import { AttemptWatch, type WatchParts } from './attempt-watch.js';
import type { Passage } from './circuit-breaker.js';
import { learnFrom, type Pupils } from './lessons.js';
import { withoutProviderSecrets } from './provider-secrets.js';
import { outcomeOf } from './upstream-failures.js';

export type ReportParts = WatchParts & Pupils;

/** Whom an attempt asks, and what for. */
export interface AttemptSubject {
  readonly target: Target;
  readonly credential: string;
  readonly passage: Passage;
  readonly served: ServedBy;
  readonly chat: ChatCompletionRequest;
  /** Monotonic milliseconds. */
  readonly deadlineAtMs: number;
}

/**
 * Tells everyone concerned what becomes of one attempt. Lives as long as its answer, so it keeps nothing of the request's
 * text once a stream has begun.
 */
export class AttemptReport implements AttemptListener {
  private readonly startedAtMs: number;
  private readonly watch: AttemptWatch;
  private readonly target: Target;
  private readonly credential: string;
  private readonly passage: Passage;
  private readonly served: ServedBy;
  private readonly deadlineAtMs: number;
  /** Null once a stream has begun: then it has been measured. */
  private chat: ChatCompletionRequest | null;
  private prompt: PromptSize | null = null;

  constructor(
    private readonly parts: ReportParts,
    private readonly context: RequestContext,
    { target, credential, passage, served, chat, deadlineAtMs }: AttemptSubject,
  ) {
    this.target = target;
    this.credential = credential;
    this.passage = passage;
    this.served = served;
    this.chat = chat;
    this.deadlineAtMs = deadlineAtMs;
    this.startedAtMs = parts.clock.monotonicMs();
    this.watch = new AttemptWatch(parts, context, target, chat);
  }

  get traceHeaders(): TraceHeaders {
    return this.watch.traceHeaders;
  }

  restate(error: UpstreamError): UpstreamError {
    return withoutProviderSecrets(error, this.context.snapshot.providers.values());
  }

  firstContentCame(): void {
    const { context } = this;
    const nowMs = this.parts.clock.monotonicMs();
    const waitedMs = nowMs - this.startedAtMs;
    this.parts.activity.recordFirstContent(this.target, waitedMs);
    this.passage.answered();
    context.served = this.served;
    context.firstContentMs = nowMs - context.startedAtMs;
    context.firstContentOverheadMs = Math.max(0, context.firstContentMs - context.upstreamMs - waitedMs);
    if (!context.stream) return;
    this.prompt = this.measurePrompt();
    this.chat = null;
  }

  chunksCame(count: number): void {
    this.watch.chunksCame(count);
  }

  ended(error: AegisError | null, received: ReceivedAnswer): void {
    const { context, target, credential, passage, served } = this;
    const nowMs = this.parts.clock.monotonicMs();
    const durationMs = nowMs - this.startedAtMs;
    const hasBegun = context.served === served;
    this.parts.activity.leave(target);
    context.upstreamMs += durationMs;
    const outcome = error ? outcomeOf(error) : 'success';
    const end = { served, outcome, durationMs, usage: received.usage, receivedTokens: received.tokens };
    context.attempts.push(describeAttempt(end, () => this.measurePrompt(), context.snapshot.pricing));
    if (hasBegun) {
      context.usage = received.usage;
      context.finishReason = received.finishReason;
    }
    const { maxCooldownMs } = context.snapshot.gateway.routing;
    const ranOutOfTime = !hasBegun && nowMs >= this.deadlineAtMs;
    learnFrom({ target, credential, passage, error, ranOutOfTime, maxCooldownMs }, this.parts);
    this.watch.ended(outcome, error, received, durationMs);
  }

  private measurePrompt(): PromptSize {
    return this.prompt ?? measurePrompt(this.chat ?? {});
  }
}
