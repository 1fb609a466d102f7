import type { ChatAnswer } from '../domain/chat-answer.js';
import { admits } from '../domain/classification.js';
import type { Clock } from '../domain/clock.js';
import type { RoutingDecision } from '../domain/decision.js';
import { AegisError, toAegisError } from '../domain/errors.js';
import type { AttemptOutcome, GatewayObserver } from '../domain/observer.js';
import type { AnswerContext, UpstreamRequest } from '../domain/provider-adapter.js';
import type { ScreenedRequest } from '../domain/screened-request.js';
import type { ServedBy, Target } from '../domain/target.js';
import { UpstreamError } from '../domain/upstream-error.js';
import type { RequestContext } from '../request-context/request-context.js';
import { type AttemptPlan, CompletionAttempt } from './attempt.js';
import { limitsOf } from './attempt-limits.js';
import { AttemptReport } from './attempt-report.js';
import { withTraceHeaders } from './attempt-watch.js';
import { pauseBeforeRetryMs } from './backoff.js';
import { Cancellation } from './cancellation.js';
import type { CircuitBreaker, Passage } from './circuit-breaker.js';
import { conclude, type TargetFailure } from './conclusion.js';
import type { CredentialHealth } from './credential-health.js';
import { overloadedError, unavailableError } from './eligibility.js';
import { isAccountEmpty, isWorthRepeating } from './lessons.js';
import type { ProviderRegistry } from './provider.registry.js';
import type { Random } from './random.js';
import type { RetryBudget } from './retry-budget.js';
import { StreamAttempt } from './stream-attempt.js';
import type { TargetActivity } from './target-activity.js';
import type { UpstreamClient } from './upstream.client.js';
import { coolingDownError, outcomeOf, timeoutError } from './upstream-failures.js';

const JSON_FORMATS: ReadonlySet<string> = new Set(['json_object', 'json_schema']);

/** What a loop works with; the same for every request. */
export interface LoopParts {
  readonly registry: ProviderRegistry;
  readonly client: UpstreamClient;
  readonly activity: TargetActivity;
  readonly breaker: CircuitBreaker;
  readonly credentials: CredentialHealth;
  readonly retryBudget: RetryBudget;
  readonly observer: GatewayObserver;
  readonly clock: Clock;
  readonly random: Random;
}

/** A target that can express the request, and what it is sent first. */
interface PreparedTry {
  readonly target: Target;
  readonly credential: string;
  readonly upstreamRequest: UpstreamRequest;
}

/**
 * One request's way over its targets: attempt, fall back, retry, give up. Ends with an answer that has begun, or with
 * an `AegisError`. Lives as long as the request; `cancellation` ends it in every phase.
 */
export class FallbackLoop {
  private readonly deadlineAtMs: number;
  private readonly maxAttempts: number;
  private readonly answerContext: AnswerContext;
  private attempts = 0;
  private readonly failures: TargetFailure[] = [];
  /** Targets that cannot express the request, and how the first of them said so. */
  private readonly inexpressible = new Set<Target>();
  private cannotExpress: AegisError | null = null;
  /** Targets that had no free place when their turn came. */
  private readonly busy = new Set<Target>();
  /** Busy targets that a place is waited for. */
  private readonly waitedFor = new Set<PreparedTry>();
  private fallingBackFrom: AttemptOutcome | null = null;
  readonly cancellation = new Cancellation();

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

  async run(): Promise<ChatAnswer> {
    const { decision } = this;
    for (const target of decision.eligible) {
      const prepared = this.prepare(target);
      const answer = prepared && (await this.tryTarget(prepared, false));
      if (answer) return answer;
      if (this.isSpent()) break;
    }
    const answer = await this.tryBusyTargets();
    if (answer) return answer;

    const asked = decision.eligible.filter((target) => !this.inexpressible.has(target));
    const failure = conclude(this.failures, asked, decision);
    if (failure) throw failure;
    if (this.busy.size > 0) throw overloadedError(decision.model);
    throw this.cannotExpress ?? (asked.length > 0 ? this.unavailable() : timeoutError('total'));
  }

  /** Nobody else could serve: the request waits for the first place that comes free, in all no longer than it may. */
  private async tryBusyTargets(): Promise<ChatAnswer | null> {
    const { clock } = this.parts;
    const waitUntilMs = clock.monotonicMs() + this.context.snapshot.gateway.routing.queueTimeoutMs;
    for (const target of new Set([...this.busy, ...this.decision.saturated])) {
      const prepared = this.prepare(target);
      if (prepared) this.waitedFor.add(prepared);
    }
    while (this.waitedFor.size > 0 && !this.isSpent()) {
      const entered = await this.enterAny(waitUntilMs - clock.monotonicMs());
      if (!entered) return null;
      this.waitedFor.delete(entered);
      const answer = await this.tryTarget(entered, true);
      if (answer) return answer;
    }
    return null;
  }

  /** Null where this target cannot express the request. */
  private prepare(target: Target): PreparedTry | null {
    const credential = this.parts.credentials.find(target) ?? target.provider.credential;
    const upstreamRequest = this.buildRequest(target, credential);
    return upstreamRequest && { target, credential, upstreamRequest };
  }

  /** Null where this target failed in a way that lets another one try, or has no place for the request. */
  private async tryTarget({ target, ...first }: PreparedTry, hasPlace: boolean): Promise<ChatAnswer | null> {
    const { observer, retryBudget } = this.parts;
    const tried = new Set<string>();
    let { credential } = first;
    let upstreamRequest: UpstreamRequest | null = first.upstreamRequest;
    let retry = 0;
    while (upstreamRequest) {
      const isFirst = tried.size === 0;
      const passage = this.enter(target, isFirst, isFirst && hasPlace);
      if (!passage) return null;
      if (this.fallingBackFrom) observer.fellBack(this.decision.model, this.fallingBackFrom);
      this.fallingBackFrom = null;
      if (isFirst) retryBudget.earn(target.id);
      tried.add(credential);
      try {
        return await this.attempt(upstreamRequest, target, credential, passage);
      } catch (thrown) {
        const error = toAegisError(thrown);
        if (!(error instanceof UpstreamError) || !error.mayTryElsewhere) throw error;
        this.failures.push({ target, error });
        const other = this.findOtherCredential(target, error, tried);
        if (other !== null) {
          observer.retried(target, outcomeOf(error));
          credential = other;
          upstreamRequest = this.buildRequest(target, credential);
          continue;
        }
        const pauseMs = this.pauseBeforeRetry(target, error, retry++);
        if (pauseMs === null) {
          this.fallingBackFrom = outcomeOf(error);
          return null;
        }
        await this.sleep(pauseMs);
        observer.retried(target, outcomeOf(error));
      }
    }
    return null;
  }

  /** What was decided at the request's start is looked at again: since then others may have come, and been refused. */
  private enter(target: Target, isFirst: boolean, hasPlace: boolean): Passage | null {
    const { activity, breaker, credentials } = this.parts;
    if (!hasPlace && !activity.enter(target)) {
      this.busy.add(target);
      return null;
    }
    const cooldownMs = isFirst ? credentials.findCooldownMs(target) : null;
    if (cooldownMs !== null) {
      activity.leave(target);
      this.failures.push({ target, error: coolingDownError(cooldownMs) });
      return null;
    }
    const passage = this.cancellation.reason
      ? null
      : breaker.enter(target, this.context.snapshot.gateway.routing.circuitBreaker);
    if (!passage) activity.leave(target);
    this.cancellation.throwIfCancelled();
    return passage;
  }

  /** Takes a place at whichever target that is waited for has one first; null where none has in time. */
  private async enterAny(timeoutMs: number): Promise<PreparedTry | null> {
    this.cancellation.throwIfCancelled();
    const { activity } = this.parts;
    const stop = new AbortController();
    this.cancellation.wake = () => stop.abort();
    let entered: PreparedTry | null = null;
    const wait = async (prepared: PreparedTry): Promise<void> => {
      const { target } = prepared;
      if (!(await activity.enterOrWait(target, Math.min(timeoutMs, this.remainingMs()), stop.signal))) {
        this.busy.add(target);
      } else if (entered || this.cancellation.reason) {
        activity.leave(target);
      } else {
        entered = prepared;
        stop.abort();
      }
    };
    await Promise.all([...this.waitedFor].map(wait));
    this.cancellation.wake = null;
    if (!entered) this.cancellation.throwIfCancelled();
    return entered;
  }

  /** Null where this target cannot express the request; another one may. */
  private buildRequest(target: Target, credential: string): UpstreamRequest | null {
    const { provider } = target;
    if (!admits(target.classificationCeiling, this.request.level)) {
      throw new Error(`Target ${target.id} is not cleared for ${this.request.level} and was about to be asked.`);
    }
    const using = credential === provider.credential ? target : { ...target, provider: { ...provider, credential } };
    try {
      return this.parts.registry.get(provider.type).buildRequest(this.request, using);
    } catch (thrown) {
      if (!(thrown instanceof AegisError) || thrown.code !== 'unsupported_parameter') throw thrown;
      this.cannotExpress ??= thrown;
      this.inexpressible.add(target);
      return null;
    }
  }

  private async attempt(
    request: UpstreamRequest,
    target: Target,
    credential: string,
    passage: Passage,
  ): Promise<ChatAnswer> {
    const { activity, client } = this.parts;
    const { context } = this;
    try {
      context.beforeAttempt?.(target.provider.name, target.model);
    } catch (thrown) {
      activity.leave(target);
      passage.released();
      throw thrown;
    }
    const { chat } = this.request;
    const { deadlineAtMs } = this;
    const served: ServedBy = { provider: target.provider.name, model: target.model, attempts: ++this.attempts };
    const report = new AttemptReport(this.parts, context, { target, credential, passage, served, chat, deadlineAtMs });
    const isStream = chat.stream === true;
    const plan: AttemptPlan = {
      adapter: this.parts.registry.get(target.provider.type),
      context: this.answerContext,
      limits: limitsOf(target, context.snapshot.gateway.routing, isStream, this.remainingMs()),
      listener: report,
    };
    const { connection } = target.provider;
    const traced = withTraceHeaders(request, report.traceHeaders);
    if (isStream) {
      const attempt = new StreamAttempt(plan);
      this.cancellation.current = attempt;
      return { kind: 'stream', served, ...(await attempt.start(client, traced, connection).answer) };
    }
    const attempt = new CompletionAttempt(plan);
    this.cancellation.current = attempt;
    return { kind: 'completion', served, ...(await attempt.start(client, traced, connection).answer) };
  }

  /** Another credential that may be used at once, where this one was refused or used too often. */
  private findOtherCredential(target: Target, error: UpstreamError, tried: ReadonlySet<string>): string | null {
    const { disposition } = error;
    const isItsFault = disposition === 'credential' || disposition === 'rate_limited' || isAccountEmpty(error);
    if (!isItsFault || this.isSpent()) return null;
    return this.parts.credentials.find(target, tried);
  }

  /** Only a target that is alone is asked again: anywhere else another one is the better next try. */
  private pauseBeforeRetry(target: Target, error: UpstreamError, retry: number): number | null {
    if (this.decision.eligible.length - this.inexpressible.size > 1 || this.waitedFor.size > 0) return null;
    if (this.isSpent() || !isWorthRepeating(error, retry)) return null;
    const pauseMs = pauseBeforeRetryMs(retry, error.retryAfterMs, this.remainingMs(), this.parts.random);
    return pauseMs !== null && this.parts.retryBudget.spend(target.id) ? pauseMs : null;
  }

  private isSpent(): boolean {
    return this.attempts >= this.maxAttempts || this.remainingMs() <= 0;
  }

  private unavailable(): AegisError {
    return this.remainingMs() <= 0 ? timeoutError('total') : unavailableError(this.decision.model);
  }

  private async sleep(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.cancellation.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.cancellation.wake = null;
    this.context.upstreamMs += pauseMs;
  }

  private remainingMs(): number {
    return this.deadlineAtMs - this.parts.clock.monotonicMs();
  }
}
