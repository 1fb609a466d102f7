import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Clock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import type { Provider, Target } from '../domain/target.js';
import { ALONE, shareOf, WORKER_ROLE, type WorkerRole } from '../workers/worker-role.js';
import { PlaceQueue } from './place-queue.js';

/** A measurement's weight falls to 1/e in this time, so that a target that was slow once is tried again. */
const FORGET_AFTER_MS = 30_000;
/** Share of the newest measurement in the moving average, where it is below it. */
const NEWEST_SHARE = 0.3;
/** What a failed attempt counts as, so that failing fast does not look like answering fast. */
const FAILURE_COUNTS_AS_MS = 10_000;
/** What a target counts as that is asked for the first time and has not answered yet. */
const UNKNOWN_COUNTS_AS_MS = 10_000;

interface Latency {
  readonly averageMs: number;
  readonly measuredAtMs: number;
}

interface UnderWay {
  count: number;
  /** When the newest of them began. */
  askedAtMs: number;
}

/** What runs where right now, and how fast it was lately: the ground for `max_concurrent` and `least_latency`. */
@Injectable()
export class TargetActivity {
  /** By provider name: a reload must not forget what is still running. */
  private readonly queues = new Map<string, PlaceQueue>();
  private readonly byTarget = new Map<string, UnderWay>();
  private readonly latencies = new Map<string, Latency>();

  private readonly role: WorkerRole;

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Optional() @Inject(WORKER_ROLE) role?: WorkerRole,
  ) {
    this.role = role ?? ALONE;
  }

  isSaturated(provider: Provider): boolean {
    const queue = this.queues.get(provider.name);
    return queue !== undefined && !queue.hasRoom(this.placesOf(provider));
  }

  /** Takes one of the provider's places; false where none is free. Each place taken is given back by `leave`. */
  enter(target: Target): boolean {
    const { provider } = target;
    const entered = this.queueOf(provider).enter(this.placesOf(provider));
    if (entered) this.begin(target.id);
    return entered;
  }

  /** Like `enter`, and where no place is free waits for one. False where none came free in time, or too many wait. */
  async enterOrWait(target: Target, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const { provider } = target;
    const entered = await this.queueOf(provider).enterOrWait(
      this.placesOf(provider),
      shareOf(provider.maxQueued, this.role),
      timeoutMs,
      signal,
    );
    if (entered) this.begin(target.id);
    return entered;
  }

  leave(target: Target): void {
    const { provider } = target;
    this.end(target.id);
    const queue = this.queueOf(provider);
    queue.leave();
    if (queue.isIdle) this.queues.delete(provider.name);
  }

  recordFirstContent(target: Target, elapsedMs: number): void {
    this.measure(target.id, elapsedMs);
  }

  recordFailure(target: Target): void {
    this.measure(target.id, FAILURE_COUNTS_AS_MS);
  }

  /** A measure for comparing targets: recent time to first content, times what is waiting there already. */
  expectedWaitMs(targetId: string): number {
    const underWay = this.byTarget.get(targetId);
    if (!underWay) return this.recentMs(targetId) + 1;
    // An unknown target is worth one try; until that is answered the others must not all follow.
    const typicalMs = this.latencies.has(targetId) ? this.recentMs(targetId, underWay.askedAtMs) : UNKNOWN_COUNTS_AS_MS;
    return (typicalMs + 1) * (underWay.count + 1);
  }

  /** 0 for a target that was not measured lately. While it is asked, its measurement fades from `askedAtMs` on. */
  private recentMs(targetId: string, askedAtMs = Number.NEGATIVE_INFINITY): number {
    const latency = this.latencies.get(targetId);
    if (!latency) return 0;
    const freshAtMs = Math.max(latency.measuredAtMs, askedAtMs);
    return latency.averageMs * Math.exp((freshAtMs - this.clock.monotonicMs()) / FORGET_AFTER_MS);
  }

  /** A moving average that jumps to a peak at once and comes down from it slowly: getting worse counts at once. */
  private measure(targetId: string, elapsedMs: number): void {
    const recentMs = this.recentMs(targetId);
    const averageMs = elapsedMs >= recentMs ? elapsedMs : NEWEST_SHARE * elapsedMs + (1 - NEWEST_SHARE) * recentMs;
    this.latencies.set(targetId, { averageMs, measuredAtMs: this.clock.monotonicMs() });
  }

  /** Never none: a configuration with fewer places than workers is refused. */
  private placesOf({ maxConcurrent }: Provider): number {
    return Math.max(1, shareOf(maxConcurrent, this.role));
  }

  private queueOf(provider: Provider): PlaceQueue {
    const known = this.queues.get(provider.name);
    if (known) return known;
    const queue = new PlaceQueue();
    this.queues.set(provider.name, queue);
    return queue;
  }

  private begin(targetId: string): void {
    const count = (this.byTarget.get(targetId)?.count ?? 0) + 1;
    this.byTarget.set(targetId, { count, askedAtMs: this.clock.monotonicMs() });
  }

  private end(targetId: string): void {
    const underWay = this.byTarget.get(targetId);
    if (underWay && --underWay.count === 0) this.byTarget.delete(targetId);
  }
}
