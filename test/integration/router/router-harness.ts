import { Logger } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import type { RoutingConfig } from '../../../src/config/schema/gateway.config.js';
import type { ModelRoute } from '../../../src/config/snapshot.js';
import type { ChatAnswer, CompletionAnswer, StreamAnswer } from '../../../src/domain/chat-answer.js';
import { systemClock } from '../../../src/domain/clock.js';
import { AegisError } from '../../../src/domain/errors.js';
import type { AttemptOutcome, CircuitState, GatewayObserver } from '../../../src/domain/observer.js';
import { silentObserver } from '../../../src/domain/observer.js';
import type { ProviderAdapter } from '../../../src/domain/provider-adapter.js';
import type { ScreenedRequest } from '../../../src/domain/screened-request.js';
import type { ProviderConnection, Target, UpstreamTimeouts } from '../../../src/domain/target.js';
import { OpenAiAdapter } from '../../../src/router/adapters/openai.adapter.js';
import { CircuitBreaker } from '../../../src/router/circuit-breaker.js';
import { CredentialHealth } from '../../../src/router/credential-health.js';
import { ProviderRegistry } from '../../../src/router/provider.registry.js';
import { RetryBudget } from '../../../src/router/retry-budget.js';
import { RouterService } from '../../../src/router/router.service.js';
import { LeastLatencyStrategy } from '../../../src/router/strategies/least-latency.strategy.js';
import { PriorityStrategy } from '../../../src/router/strategies/priority.strategy.js';
import { RoutingStrategies } from '../../../src/router/strategies/strategies.js';
import { WeightedStrategy } from '../../../src/router/strategies/weighted.strategy.js';
import { TargetActivity } from '../../../src/router/target-activity.js';
import { UpstreamClient } from '../../../src/router/upstream.client.js';
import {
  makeContext,
  makeProvider,
  makeRequest,
  makeRoute,
  makeSnapshot,
  makeTarget,
  type TestContext,
} from '../../support/routing-fixtures.js';
import { type ListenOptions, ScriptableUpstream } from '../../support/scriptable-upstream.js';

// Warnings of connections that fail are what half of the tests bring about.
Logger.overrideLogger(['error']);

export interface Call {
  readonly context: TestContext;
  readonly answer: Promise<ChatAnswer>;
}

/** A whole router in front of scriptable upstreams, and a record of what it reported. */
export class RouterHarness {
  readonly attempts: { provider: string; outcome: AttemptOutcome }[] = [];
  readonly fallbacks: AttemptOutcome[] = [];
  readonly circuits: { target: string; state: CircuitState }[] = [];
  readonly upstreams: ScriptableUpstream[] = [];
  readonly router: RouterService;

  constructor(
    adapters: readonly ProviderAdapter[] = [new OpenAiAdapter()],
    private readonly client = new UpstreamClient(),
  ) {
    const activity = new TargetActivity(systemClock);
    const observer: GatewayObserver = {
      ...silentObserver,
      attemptEnded: (provider, _model, outcome) => this.attempts.push({ provider, outcome }),
      circuitChanged: ({ id }, state) => this.circuits.push({ target: id, state }),
      fellBack: (_model, outcome) => this.fallbacks.push(outcome),
    };
    this.router = new RouterService(
      new RoutingStrategies(
        new PriorityStrategy(),
        new WeightedStrategy(),
        new LeastLatencyStrategy(activity, Math.random),
      ),
      new ProviderRegistry(adapters),
      this.client,
      activity,
      new CircuitBreaker(systemClock, () => 0, observer),
      new CredentialHealth(systemClock),
      new RetryBudget(),
      systemClock,
      // Back-off with full jitter: zero keeps tests short.
      () => 0,
      observer,
    );
  }

  async startUpstream(options: ListenOptions = {}): Promise<ScriptableUpstream> {
    const upstream = await ScriptableUpstream.start(options);
    this.upstreams.push(upstream);
    return upstream;
  }

  /** A target on this upstream; its provider is named after its place among the upstreams: `p0`, `p1`, … */
  targetOf(
    upstream: ScriptableUpstream,
    timeouts: Partial<UpstreamTimeouts> = {},
    connection: Partial<ProviderConnection> = {},
  ): Target {
    const name = `p${this.upstreams.indexOf(upstream)}`;
    return makeTarget(makeProvider({ name, baseUrl: `${upstream.url}/v1`, timeouts, connection }));
  }

  /** Calls a model of these targets, the first the primary. */
  call(
    targets: readonly Target[] | ModelRoute,
    options: { stream?: boolean; routing?: Partial<RoutingConfig>; request?: ScreenedRequest } = {},
  ): Call {
    const route = 'alias' in targets ? targets : makeRoute(targets.slice(0, 1), targets.slice(1));
    const context = makeContext(makeSnapshot([route], options.routing));
    const request = options.request ?? makeRequest({ stream: options.stream === true });
    const answer = firstValueFrom(this.router.route(request, context));
    // Whoever is interested awaits it; a test that looks elsewhere first must not end in an unhandled rejection.
    answer.catch(() => undefined);
    return { context, answer };
  }

  async close(): Promise<void> {
    await this.client.onApplicationShutdown();
    await Promise.all(this.upstreams.map((upstream) => upstream.close()));
  }
}

export async function completionOf({ answer }: Call): Promise<CompletionAnswer> {
  const settled = await answer;
  if (settled.kind !== 'completion') throw new Error('Expected a completion.');
  return settled;
}

export async function streamOf({ answer }: Call): Promise<StreamAnswer> {
  const settled = await answer;
  if (settled.kind !== 'stream') throw new Error('Expected a stream.');
  return settled;
}

export async function errorOf({ answer }: Pick<Call, 'answer'>): Promise<AegisError> {
  const outcome = await answer.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (outcome instanceof AegisError) return outcome;
  throw new Error(`Expected an AegisError, got ${String(outcome)}.`);
}

export interface ReadStream {
  readonly texts: readonly string[];
  /** Null where the stream completed. */
  readonly error: unknown;
}

/** Reads a stream to its end, whatever that is. */
export function readAll(stream: StreamAnswer): Promise<ReadStream> {
  return new Promise((resolve) => {
    const texts: string[] = [];
    stream.chunks.subscribe({
      next: (read) => texts.push(...read),
      error: (error: unknown) => resolve({ texts, error }),
      complete: () => resolve({ texts, error: null }),
    });
  });
}

/** The words of a stream's chunks, in order. */
export function contentOf(texts: readonly string[]): string {
  return texts
    .map((text) => JSON.parse(text) as { choices: { delta?: { content?: string | null } }[] })
    .map(({ choices }) => choices[0]?.delta?.content ?? '')
    .join('');
}

/** Waits until something holds that no event announces. */
export async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}
