import type { ChatAnswer } from '../domain/chat-answer.js';
import { admits } from '../domain/classification.js';
import type { Clock } from '../domain/clock.js';
import type { RoutingDecision } from '../domain/decision.js';
import { AegisError, toAegisError } from '../domain/errors.js';
import type { AttemptOutcome, GatewayObserver } from '../domain/observer.js';
import type { AnswerContext, ProviderAdapter, UpstreamRequest } from '../domain/provider-adapter.js';
import type { ScreenedRequest } from '../domain/screened-request.js';
import type { ServedBy, Target } from '../domain/target.js';
import { UpstreamError } from '../domain/upstream-error.js';
import type { RequestContext } from '../request-context/request-context.js';
import { type AttemptLimits, type AttemptPlan, CompletionAttempt } from './attempt.js';
import { pauseBeforeRetryMs } from './backoff.js';
import { conclude, type TargetFailure } from './conclusion.js';
import type { CredentialHealth } from './credential-health.js';
import { overloadedError } from './eligibility.js';
import type { ProviderRegistry } from './provider.registry.js';
import { withoutProviderSecrets } from './provider-secrets.js';
import type { Random } from './random.js';
import type { RetryBudget } from './retry-budget.js';
import { StreamAttempt } from './stream-attempt.js';
import type { TargetActivity } from './target-activity.js';
import type { UpstreamClient } from './upstream.client.js';
import { outcomeOf, timeoutError } from './upstream-failures.js';

const JSON_FORMATS: ReadonlySet<string> = new Set(['json_object', 'json_schema']);

/** What a loop works with; the same for every request. */
export interface LoopParts {
  readonly registry: ProviderRegistry;
  readonly client: UpstreamClient;
  readonly activity: TargetActivity;
  readonly credentials: CredentialHealth;
  readonly retryBudget: RetryBudget;
  readonly observer: GatewayObserver;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * One request's way over its targets: attempt, fall back, retry, give up. Ends with an answer that has begun, or with
 * an `AegisError`. Lives as long as the request; `cancel` ends it in every phase.
 */
export class FallbackLoop {
  private readonly deadlineAtMs: number;
  private readonly maxAttempts: number;
  private readonly answerContext: AnswerContext;
  private attempts = 0;
  private readonly failures: TargetFailure[] = [];
  /** Targets that cannot express the request, and how the first of them said so. */
  private inexpressible: readonly Target[] = [];
  private cannotExpress: AegisError | null = null;
  private fallingBackFrom: AttemptOutcome | null = null;
  private current: { cancel(reason: AegisError): void } | null = null;
  private cancelled: AegisError | null = null;
  private wake: (() => void) | null = null;

  constructor(
    private readonly parts: LoopParts,
    private readonly request: ScreenedRequest,
    private readonly context: RequestContext,
    private readonly decision: RoutingDecision,
  ) {
    const { routing } = context.snapshot.gateway;
    this.deadlineAtMs = parts.clock.monotonicMs() + routing.deadlineMs;
    this.maxAttempts = routing.maxAttempts;
    this.answerContext = {
      requestedModel: request.chat.model,
      includeUsage: request.chat.stream_options?.include_usage === true,
      expectsJson: JSON_FORMATS.has(request.chat.response_format?.type ?? ''),
      requestId: context.requestId,
      createdSeconds: Math.floor(parts.clock.nowMs() / 1000),
    };
  }

  /** Aborts what is under way, a stream that has begun included. Nothing is tried any more. */
  cancel(reason: AegisError): void {
    this.cancelled ??= reason;
    this.current?.cancel(reason);
    this.wake?.();
  }

  async run(): Promise<ChatAnswer> {
    for (const target of this.decision.eligible) {
      const answer = await this.tryTarget(target);
      if (answer) return answer;
      if (this.attempts >= this.maxAttempts || this.remainingMs() <= 0) break;
    }
    const asked = this.decision.eligible.filter((target) => !this.inexpressible.includes(target));
    const failure = conclude(this.failures, asked, this.decision);
    if (failure) throw failure;
    if (asked.length > 0) throw overloadedError(this.decision.model);
    throw this.cannotExpress ?? timeoutError('total');
  }

  /** Null where this target failed in a way that lets another one try. */
  private async tryTarget(target: Target): Promise<ChatAnswer | null> {
    const adapter = this.parts.registry.get(target.provider.type);
    const upstreamRequest = this.buildRequest(adapter, target);
    if (!upstreamRequest) return null;
    for (let retry = 0; ; retry++) {
      if (this.cancelled) throw this.cancelled;
      // Decided at the request's start, and since then others may have come.
      if (!this.parts.activity.enter(target)) return null;
      if (this.fallingBackFrom) this.parts.observer.fellBack(this.decision.model, this.fallingBackFrom);
      this.fallingBackFrom = null;
      if (retry === 0) this.parts.retryBudget.earn(target.provider.name);
      try {
        return await this.attempt(adapter, upstreamRequest, target);
      } catch (thrown) {
        const error = toAegisError(thrown);
        if (!(error instanceof UpstreamError) || !error.mayTryElsewhere) throw error;
        this.failures.push({ target, error });
        const pauseMs = this.pauseBeforeRetry(target, error, retry);
        if (pauseMs === null) {
          this.fallingBackFrom = outcomeOf(error);
          return null;
        }
        await this.sleep(pauseMs);
      }
    }
  }

  /** Null where this target cannot express the request; another one may. */
  private buildRequest(adapter: ProviderAdapter, target: Target): UpstreamRequest | null {
    if (!admits(target.classificationCeiling, this.request.level)) {
      throw new Error(`Target ${target.id} is not cleared for ${this.request.level} and was about to be asked.`);
    }
    try {
      return adapter.buildRequest(this.request, target);
    } catch (thrown) {
      if (!(thrown instanceof AegisError) || thrown.code !== 'unsupported_parameter') throw thrown;
      this.cannotExpress ??= thrown;
      this.inexpressible = [...this.inexpressible, target];
      return null;
    }
  }

  private async attempt(adapter: ProviderAdapter, request: UpstreamRequest, target: Target): Promise<ChatAnswer> {
    const { activity, client, clock } = this.parts;
    const { context } = this;
    const served: ServedBy = { provider: target.provider.name, model: target.model, attempts: ++this.attempts };
    const startedAtMs = clock.monotonicMs();
    const plan: AttemptPlan = {
      adapter,
      request,
      context: this.answerContext,
      limits: this.limitsFor(target),
      restate: (error) => withoutProviderSecrets(error, context.snapshot.providers.values()),
      onFirstContent: () => {
        const nowMs = clock.monotonicMs();
        activity.recordFirstContent(target, nowMs - startedAtMs);
        context.served = served;
        context.firstContentMs = nowMs - context.startedAtMs;
      },
      onEnd: (error, usage) => {
        const durationMs = clock.monotonicMs() - startedAtMs;
        activity.leave(target);
        context.upstreamMs += durationMs;
        if (context.served === served) context.usage = usage;
        this.learnFrom(target, error);
        this.parts.observer.attemptEnded(
          served.provider,
          served.model,
          error ? outcomeOf(error) : 'success',
          durationMs,
        );
      },
    };
    if (this.request.chat.stream === true) {
      const attempt = new StreamAttempt(plan);
      this.current = attempt;
      return { kind: 'stream', served, ...(await attempt.start(client).answer) };
    }
    const attempt = new CompletionAttempt(plan);
    this.current = attempt;
    return { kind: 'completion', served, ...(await attempt.start(client).answer) };
  }

  /**
   * The request's deadline bounds everything until an answer has begun. A stream that has begun is bounded by its
   * provider's `totalMs`: it is worth more the longer it has run.
   */
  private limitsFor(target: Target): AttemptLimits {
    const { timeouts } = target.provider;
    const { maxAnswerBytes, maxEventBytes } = this.context.snapshot.gateway.routing;
    const remainingMs = this.remainingMs();
    const streams = this.request.chat.stream === true;
    return {
      connectMs: timeouts.connectMs,
      firstByteMs: timeouts.firstByteMs,
      idleMs: timeouts.idleMs,
      firstContentMs: Math.min(timeouts.firstContentMs, remainingMs),
      totalMs: streams ? timeouts.totalMs : Math.min(timeouts.totalMs, remainingMs),
      maxAnswerBytes,
      maxEventBytes,
    };
  }

  private learnFrom(target: Target, error: AegisError | null): void {
    const { activity, credentials } = this.parts;
    if (error === null) {
      credentials.markAccepted(target.provider);
    } else if (error instanceof UpstreamError && error.mayTryElsewhere) {
      activity.recordFailure(target);
      if (error.disposition === 'credential') credentials.markRefused(target.provider);
    }
  }

  /** Only a target that is alone is asked again: anywhere else another one is the better next try. */
  private pauseBeforeRetry(target: Target, error: UpstreamError, retry: number): number | null {
    if (this.decision.eligible.length - this.inexpressible.length > 1) return null;
    if (this.attempts >= this.maxAttempts || !isWorthRepeating(error, retry)) return null;
    const pauseMs = pauseBeforeRetryMs(retry, error.retryAfterMs, this.remainingMs(), this.parts.random);
    return pauseMs !== null && this.parts.retryBudget.spend(target.provider.name) ? pauseMs : null;
  }

  private async sleep(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
    this.context.upstreamMs += pauseMs;
  }

  private remainingMs(): number {
    return this.deadlineAtMs - this.parts.clock.monotonicMs();
  }
}

function isWorthRepeating(error: UpstreamError, retry: number): boolean {
  switch (error.disposition) {
    case 'transient':
    case 'rate_limited':
      return true;
    case 'invalid':
      return retry === 0;
    case 'exhausted':
    case 'credential':
    case 'caller':
      return false;
    default:
      return error.disposition satisfies never;
  }
}
