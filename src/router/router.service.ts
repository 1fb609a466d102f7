import { Inject, Injectable, Optional } from '@nestjs/common';
import { Observable } from 'rxjs';
import type { ConfigSnapshot } from '../config/snapshot.js';
import type { ChatAnswer } from '../domain/chat-answer.js';
import type { Classification } from '../domain/classification.js';
import type { Clock } from '../domain/clock.js';
import type { RoutingDecision } from '../domain/decision.js';
import { AegisError, toAegisError } from '../domain/errors.js';
import type { RoutingForecast } from '../domain/explanation.js';
import { CLOCK, GATEWAY_OBSERVER, type GatewayObserver, silentObserver } from '../domain/observer.js';
import type { Principal } from '../domain/principal.js';
import type { ScreenedRequest } from '../domain/screened-request.js';
import type { Target } from '../domain/target.js';
import type { RequestContext } from '../request-context/request-context.js';
import type { Cancellation } from './cancellation.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { CredentialHealth } from './credential-health.js';
import { decideTargets, type HealthView, refusalOf } from './eligibility.js';
import { FallbackLoop, type LoopParts } from './fallback-loop.js';
import { forecast } from './forecast.js';
import { ProviderRegistry } from './provider.registry.js';
import { describeProviders, type ProviderStatus } from './provider-status.js';
import { RANDOM, type Random } from './random.js';
import { RetryBudget } from './retry-budget.js';
import { RoutingStrategies } from './strategies/strategies.js';
import { TargetActivity } from './target-activity.js';
import { UpstreamClient } from './upstream.client.js';

/** Sends a screened request to a target that is cleared for it. */
@Injectable()
export class RouterService {
  private readonly parts: LoopParts;
  private readonly health: HealthView;
  private newestSnapshot: ConfigSnapshot | null = null;

  constructor(
    private readonly strategies: RoutingStrategies,
    registry: ProviderRegistry,
    client: UpstreamClient,
    activity: TargetActivity,
    breaker: CircuitBreaker,
    credentials: CredentialHealth,
    retryBudget: RetryBudget,
    @Inject(CLOCK) clock: Clock,
    @Inject(RANDOM) random: Random,
    @Optional() @Inject(GATEWAY_OBSERVER) observer: GatewayObserver | null = null,
  ) {
    this.parts = {
      registry,
      client,
      activity,
      breaker,
      credentials,
      retryBudget,
      clock,
      random,
      observer: observer ?? silentObserver,
    };
    this.health = {
      isSaturated: (provider) => activity.isSaturated(provider),
      isCredentialRefused: (provider) => credentials.isRefused(provider),
      findCircuitPauseMs: (target) => breaker.findPauseMs(target),
      findCooldownMs: (target) => credentials.findCooldownMs(target),
    };
  }

  /**
   * Which targets would serve a request for `model` at `level`, and why each other one would not. Calls nobody.
   * Throws `AegisError` `model_not_found`, or `model_not_allowed` where `principal` (null: not asked) may not use it.
   */
  decide(snapshot: ConfigSnapshot, model: string, level: Classification, principal: Principal | null): RoutingDecision {
    return decideTargets({
      snapshot,
      principal,
      level,
      model,
      health: this.health,
      order: (route, primaries) => this.strategies.get(route.strategy).order(route.alias, primaries),
    });
  }

  /**
   * What `route` would do with this request now. Calls nobody, and takes no turn, place or probe. Throws what `decide`
   * throws.
   */
  foresee(request: ScreenedRequest, context: RequestContext): RoutingForecast {
    const { snapshot, principal } = context;
    const decision = this.decide(snapshot, request.chat.model, request.level, principal);
    return forecast({
      snapshot,
      decision,
      findProblem: (target) => this.findProblem(request, target),
    });
  }

  /**
   * One answer, then completion; or an `AegisError`. Nothing happens before it is subscribed to. Unsubscribing before
   * the answer, or `context.signal` at any time, aborts whatever is under way. A stream's answer comes with its first
   * content; until then other targets are tried, afterwards never. Fills the context's `served`, `usage`,
   * `upstreamMs` and `firstContentMs`.
   */
  route(request: ScreenedRequest, context: RequestContext): Observable<ChatAnswer> {
    return new Observable((subscriber) => {
      let loop: FallbackLoop;
      try {
        loop = this.createLoop(request, context);
      } catch (thrown) {
        subscriber.error(toAegisError(thrown));
        return undefined;
      }
      cancelOnAbort(loop.cancellation, context.signal);

      let answered = false;
      loop.run().then(
        (answer) => {
          answered = true;
          subscriber.next(answer);
          subscriber.complete();
        },
        (thrown: unknown) => subscriber.error(toAegisError(thrown)),
      );
      return () => {
        if (!answered) loop.cancellation.cancel(clientLeft());
      };
    });
  }

  /** How every provider stands, by what is known already. Calls nobody. */
  describeProviders(snapshot: ConfigSnapshot): readonly ProviderStatus[] {
    return describeProviders(snapshot, this.health, (target) => this.parts.breaker.stateOf(target));
  }

  /** Why the target's provider cannot take the request; null where it can. */
  private findProblem(request: ScreenedRequest, target: Target): AegisError | null {
    try {
      this.parts.registry.get(target.provider.type).buildRequest(request, target);
      return null;
    } catch (thrown) {
      if (thrown instanceof AegisError) return thrown;
      throw thrown;
    }
  }

  private createLoop(request: ScreenedRequest, context: RequestContext): FallbackLoop {
    const { principal, snapshot } = context;
    if (!principal) throw new Error('A request reached the router without a principal.');
    this.noticeSnapshot(snapshot);
    const decision = this.decide(snapshot, request.chat.model, request.level, principal);
    if (decision.eligible.length === 0 && decision.saturated.length === 0) throw refusalOf(decision);
    this.advance(snapshot, decision);
    return new FallbackLoop(this.parts, request, context, decision);
  }

  private advance(snapshot: ConfigSnapshot, { model, eligible }: RoutingDecision): void {
    const route = snapshot.models.get(model);
    const primaries = eligible.filter((target) => route?.primaries.includes(target));
    if (route) this.strategies.get(route.strategy).advance?.(model, primaries);
  }

  /** The first request after a reload ends what is not configured any more: connections, and targets' circuits. */
  private noticeSnapshot(snapshot: ConfigSnapshot): void {
    if (snapshot === this.newestSnapshot) return;
    if (this.newestSnapshot && snapshot.loadedAtMs < this.newestSnapshot.loadedAtMs) return;
    this.newestSnapshot = snapshot;
    this.parts.client.retain(snapshot.providers.values());
    this.parts.breaker.retain(targetsWithCircuit(snapshot));
  }
}

/** Targets that have a circuit breaker. */
function targetsWithCircuit({ models, gateway }: ConfigSnapshot): ReadonlySet<string> {
  if (!gateway.routing.circuitBreaker.enabled) return new Set();
  const targets = [...models.values()].flatMap(({ primaries, fallbacks }) => [...primaries, ...fallbacks]);
  return new Set(targets.map(({ id }) => id));
}

/** Stays until the request's end: a stream that has begun is aborted by it too. */
function cancelOnAbort(cancellation: Cancellation, signal: AbortSignal): void {
  const onAbort = (): void => cancellation.cancel(reasonOf(signal));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
}

function reasonOf(signal: AbortSignal): AegisError {
  const reason: unknown = signal.reason;
  return reason instanceof AegisError ? reason : clientLeft();
}

function clientLeft(): AegisError {
  return new AegisError('client_closed_request', 'The client left before the answer was complete.');
}
