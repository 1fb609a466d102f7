import { firstValueFrom, lastValueFrom } from 'rxjs';
import type { ConfigSnapshot, ModelRoute } from '../../../src/config/snapshot.js';
import type { ChatAnswer } from '../../../src/domain/chat-answer.js';
import { admits, CLASSIFICATIONS, type Classification } from '../../../src/domain/classification.js';
import type { Clock } from '../../../src/domain/clock.js';
import { REJECTION_REASONS } from '../../../src/domain/decision.js';
import { AegisError } from '../../../src/domain/errors.js';
import { explainForecast } from '../../../src/domain/explanation.js';
import type { LocalAdapter, UpstreamRequest } from '../../../src/domain/provider-adapter.js';
import { STRATEGY_NAMES } from '../../../src/domain/routing-strategy.js';
import type { ScreenedRequest } from '../../../src/domain/screened-request.js';
import type { Target } from '../../../src/domain/target.js';
import { UpstreamError } from '../../../src/domain/upstream-error.js';
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
import { makePrincipal } from '../../support/principals.js';
import {
  makeContext,
  makeProvider,
  makeRequest,
  makeRoute,
  makeSnapshot,
  makeTarget,
} from '../../support/routing-fixtures.js';

const CASES = 10_000;
const SIDE_BY_SIDE = 100;
const ALIAS = 'aegis-test';

/** Chance that can be set back, so that two who ask it in turn are told the same. Source of the steps: mulberry32. */
class Dice {
  constructor(private state: number) {}

  readonly next = (): number => {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[Math.floor(this.next() * items.length)] ?? items[0];
  }

  /** Runs the action, and forgets that it threw the dice. */
  replaying<T>(action: () => T): T {
    const before = this.state;
    try {
      return action();
    } finally {
      this.state = before;
    }
  }
}

type Behaviour = 'answer' | 'transient' | 'rate_limited' | 'credential' | 'exhausted' | 'invalid' | 'caller';
const BEHAVIOURS = ['answer', 'transient', 'rate_limited', 'credential', 'exhausted', 'invalid', 'caller'] as const;
/** Longer than the router waits for the sake of one request, so that no case takes longer than it must. */
const RETRY_AFTER_MS = 15_000;

/** A provider in this process that writes down who was asked, and behaves as the case wants it to. */
class ScriptedAdapter extends OpenAiAdapter implements LocalAdapter {
  /** Ids of targets, as they are asked. */
  readonly asked: string[] = [];
  /** Whoever was asked and is not cleared for it. */
  readonly trespasses: string[] = [];
  readonly inexpressible = new Set<string>();
  readonly impossible = new Set<string>();
  behave: (targetId: string) => Behaviour = () => 'answer';

  override buildRequest(request: ScreenedRequest, target: Target): UpstreamRequest {
    if (this.inexpressible.has(target.id)) {
      throw new AegisError('unsupported_parameter', `${target.id} has no words for 'logprobs'.`, { param: 'logprobs' });
    }
    if (this.impossible.has(target.id)) throw new AegisError('invalid_request', `${target.id} refuses 'stop'.`);
    return {
      ...super.buildRequest(request, target),
      url: `${target.id} ${target.classificationCeiling} ${request.level}`,
    };
  }

  async *answer({ url, body }: UpstreamRequest): AsyncIterable<Buffer> {
    const [id = '', ceiling = '', level = ''] = url.split(' ');
    this.asked.push(id);
    if (!admits(ceiling as Classification, level as Classification)) this.trespasses.push(url);
    const behaviour = this.behave(id);
    if (behaviour !== 'answer') throw failure(behaviour);
    yield Buffer.from(JSON.parse(body.toString()).stream === true ? STREAM : COMPLETION);
  }
}

const COMPLETION = JSON.stringify({
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
});
const STREAM = [
  JSON.stringify({ choices: [{ index: 0, delta: { role: 'assistant', content: 'Hello' }, finish_reason: null }] }),
  JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  '[DONE]',
]
  .map((data) => `data: ${data}\n\n`)
  .join('');

function failure(behaviour: Exclude<Behaviour, 'answer'>): UpstreamError {
  const statuses = { transient: 503, rate_limited: 429, credential: 401, exhausted: 402, invalid: 200, caller: 400 };
  const options = behaviour === 'rate_limited' ? { retryAfterMs: RETRY_AFTER_MS } : {};
  return new UpstreamError(behaviour, `It was ${behaviour}.`, { status: statuses[behaviour] }, options);
}

/** One router with a past, and one request that is about to be sent. */
class Case {
  readonly adapter = new ScriptedAdapter();
  private readonly dice: Dice;
  private nowMs = 0;
  private readonly clock: Clock = { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs };
  private readonly activity = new TargetActivity(this.clock);
  readonly router: RouterService;
  readonly targets: readonly Target[];
  readonly snapshot: ConfigSnapshot;
  readonly level: Classification;

  constructor(seed: number, client: UpstreamClient) {
    this.dice = new Dice(seed);
    this.router = new RouterService(
      new RoutingStrategies(
        new PriorityStrategy(),
        new WeightedStrategy(),
        new LeastLatencyStrategy(this.activity, this.dice.next),
      ),
      new ProviderRegistry([this.adapter]),
      client,
      this.activity,
      new CircuitBreaker(this.clock, () => 1),
      new CredentialHealth(this.clock),
      new RetryBudget(),
      this.clock,
      // Pauses before a retry are as short as they can be.
      () => 0,
    );
    this.targets = this.makeTargets();
    this.snapshot = this.makeSnapshot();
    this.level = this.dice.pick(CLASSIFICATIONS);
  }

  private makeTargets(): readonly Target[] {
    const { dice } = this;
    const providers = Array.from({ length: dice.whole(1, 4) }, (_, index) =>
      makeProvider({
        name: `p${index}`,
        configured: dice.chance(0.85),
        credentials: dice.chance(0.3) ? ['first', 'second'] : ['first'],
        credential: 'first',
        maxConcurrent: dice.whole(1, 2),
        maxQueued: dice.whole(0, 1),
      }),
    );
    return Array.from({ length: dice.whole(1, 6) }, (_, index) => {
      const provider = providers[dice.whole(0, providers.length - 1)] ?? makeProvider();
      return makeTarget(provider, {
        id: `${provider.name}/m${index}`,
        model: `m${index}`,
        // Half of them are cleared for anything, so that there is something to route.
        classificationCeiling: dice.chance(0.5) ? 'RESTRICTED' : dice.pick(CLASSIFICATIONS),
        weight: dice.whole(1, 5),
      });
    });
  }

  private makeSnapshot(): ConfigSnapshot {
    const { dice, targets } = this;
    const primaryCount = dice.whole(1, targets.length);
    const strategy = dice.pick(STRATEGY_NAMES);
    const route = makeRoute(targets.slice(0, primaryCount), targets.slice(primaryCount), { alias: ALIAS, strategy });
    const routing = { maxAttempts: dice.whole(1, 4), queueTimeoutMs: dice.chance(0.3) ? 1 : 0 };
    const snapshot = this.snapshotOf([route], routing);
    snapshot.gateway.cost.onMissingPricing = dice.pick(['deny', 'deny', 'flag', 'allow']);
    const prices = new Map([...snapshot.pricing.prices].filter(() => dice.chance(0.85)));
    return { ...snapshot, pricing: { version: 'test', prices } };
  }

  private snapshotOf(routes: readonly ModelRoute[], routing: { maxAttempts: number; queueTimeoutMs: number }) {
    const snapshot = makeSnapshot(routes, routing);
    snapshot.gateway.routing.circuitBreaker.consecutiveFailures = 2;
    return snapshot;
  }

  /** Requests that went before: they open circuits, cool targets down, spend credentials and take turns. */
  async live(): Promise<void> {
    const { dice, targets } = this;
    const direct = targets.map((target) => makeRoute([target], [], { alias: target.id }));
    const snapshot = this.snapshotOf(direct, { maxAttempts: 1, queueTimeoutMs: 0 });
    for (const { id } of targets) {
      if (!dice.chance(0.25)) continue;
      const behaviour = dice.pick(BEHAVIOURS);
      this.adapter.behave = () => behaviour;
      for (let times = dice.whole(1, 2); times > 0; times--) {
        await this.send(makeRequest({ model: id }, 'PUBLIC'), snapshot);
      }
    }
    for (let turns = dice.whole(0, 3); turns > 0; turns--) {
      this.adapter.behave = () => (dice.chance(0.8) ? 'answer' : 'transient');
      await this.send(makeRequest({ model: ALIAS }, this.level), this.snapshot);
    }
    // Some circuits are ripe for a probe by now, and some cooldowns over.
    this.nowMs += dice.pick([0, 0, 4_000, 5_000, 20_000, 61_000]);
    for (const target of targets) {
      if (dice.chance(0.12)) for (let place = dice.whole(1, 2); place > 0; place--) this.activity.enter(target);
    }
    for (const { id } of targets) {
      if (dice.chance(0.15)) this.adapter.inexpressible.add(id);
      else if (dice.chance(0.03)) this.adapter.impossible.add(id);
    }
    this.adapter.asked.length = 0;
  }

  /** How the request is about to be made: by whom, for what. */
  makeQuestion() {
    const { dice } = this;
    const allowedModels = dice.chance(0.03) ? ['another'] : dice.chance(0.5) ? null : [ALIAS];
    const model = dice.chance(0.02) ? 'nothing' : ALIAS;
    return {
      request: makeRequest({ model, stream: dice.chance(0.3) }, this.level),
      context: makeContext(this.snapshot, makePrincipal({ allowedModels })),
    };
  }

  /** From now on each target behaves as it comes, or all of them well. */
  scriptFaults(): void {
    const { dice } = this;
    const faultless = dice.chance(0.3);
    const reliability = dice.next() * 0.8;
    // Not the router's own dice: what a target does must not change what the strategy draws.
    const fate = new Dice(dice.whole(0, 2 ** 31));
    this.adapter.behave = () => (faultless || fate.chance(reliability) ? 'answer' : fate.pick(BEHAVIOURS));
  }

  /** Asks, twice; what is drawn meanwhile is drawn again by who asks next. An error where there is nothing to explain. */
  explain({ request, context }: ReturnType<Case['makeQuestion']>) {
    const ask = () => this.dice.replaying(() => explainForecast(this.router.foresee(request, context)));
    try {
      const first = ask();
      expect(ask()).toEqual(first);
      return first;
    } catch (thrown) {
      if (thrown instanceof AegisError) return thrown;
      throw thrown;
    }
  }

  async send(
    request: ScreenedRequest,
    snapshot: ConfigSnapshot,
    context = makeContext(snapshot),
  ): Promise<ChatAnswer | AegisError> {
    try {
      const answer = await firstValueFrom(this.router.route(request, context));
      if (answer.kind === 'stream') await lastValueFrom(answer.chunks);
      return answer;
    } catch (thrown) {
      if (thrown instanceof AegisError) return thrown;
      throw thrown;
    }
  }
}

function facts(error: AegisError) {
  const { status, type, wireCode, message, param } = error;
  return { status, type, code: wireCode, message, param };
}

describe('what is explained and what is done', () => {
  const outcomes = new Map<string, number>();
  const reasons = new Map<string, number>();
  const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  const client = new UpstreamClient();
  afterAll(() => client.onApplicationShutdown());

  /** One case, start to end; throws where the two differ. */
  async function runCase(seed: number): Promise<void> {
    const subject = new Case(seed, client);
    await subject.live();
    const question = subject.makeQuestion();
    const { request, context } = question;
    subject.scriptFaults();
    const explanation = subject.explain(question);
    expect(subject.adapter.asked).toEqual([]);
    const result = await subject.send(request, subject.snapshot, context);
    expect(subject.adapter.trespasses).toEqual([]);
    if (explanation instanceof AegisError) {
      count(outcomes, explanation.code);
      expect(result instanceof AegisError && facts(result)).toEqual(facts(explanation));
      expect(subject.adapter.asked).toEqual([]);
      return;
    }

    const asked = subject.adapter.asked.filter((id, index, all) => id !== all[index - 1]);

    count(outcomes, explanation.outcome);
    for (const { reason } of explanation.targets) if (reason) count(reasons, reason);
    if (asked.length > 1) count(outcomes, 'fell back');
    // In the explained order, and nobody in between left out.
    expect(asked).toEqual(explanation.eligible.slice(0, asked.length));
    if (explanation.outcome === 'would_call') {
      expect(asked.length).toBeGreaterThan(0);
      expect(explanation.error).toBeNull();
      return;
    }
    // Whoever waits for a place waits in vain: nobody gives one back.
    expect(asked).toEqual([]);
    expect(result instanceof AegisError && facts(result)).toEqual(explanation.error);
  }

  const runNamedCase = (seed: number): Promise<void> =>
    runCase(seed).catch((fault: unknown) => {
      throw new Error(`case ${seed}: ${fault instanceof Error ? fault.message : String(fault)}`, { cause: fault });
    });

  it(`agree in ${CASES} random cases, and no attempt goes to a target that is not cleared`, async () => {
    // Each has its own router and its own clock; side by side, so that their short pauses do not add up.
    for (let done = 0; done < CASES; done += SIDE_BY_SIDE) {
      await Promise.all(Array.from({ length: SIDE_BY_SIDE }, (_, index) => runNamedCase(done + index)));
    }
    // The cases are worth something only where they are of every kind.
    const expected = [
      ...['would_call', 'would_wait', 'fell back', 'model_not_found', 'model_not_allowed', 'classification_denied'],
      ...['no_target_available', 'overloaded', 'upstream_rate_limited', 'pricing_unknown'],
      ...['unsupported_parameter', 'invalid_request'],
    ];
    expect(expected.filter((name) => (outcomes.get(name) ?? 0) < 30)).toEqual([]);
    expect(REJECTION_REASONS.filter((name) => (reasons.get(name) ?? 0) < 100)).toEqual([]);
  }, 120_000);
});
