import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '../domain/clock.js';
import { CLOCK } from '../domain/observer.js';
import type { Provider, Target } from '../domain/target.js';

/** Share of the newest measurement in the moving average. */
const NEWEST_SHARE = 0.3;
/** A measurement's weight falls to 1/e in this time, so that a target that was slow once is tried again. */
const FORGET_AFTER_MS = 30_000;
/** What a failed attempt counts as, so that failing fast does not look like answering fast. */
const FAILURE_COUNTS_AS_MS = 10_000;

interface Latency {
  readonly averageMs: number;
  readonly measuredAtMs: number;
}

/** What runs where right now, and how fast it was lately: the ground for `max_concurrent` and `least_latency`. */
@Injectable()
export class TargetActivity {
  /** By provider name: a reload must not forget what is still running. */
  private readonly byProvider = new Map<string, number>();
  private readonly byTarget = new Map<string, number>();
  private readonly latencies = new Map<string, Latency>();

  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  isSaturated(provider: Provider): boolean {
    return (this.byProvider.get(provider.name) ?? 0) >= provider.maxConcurrent;
  }

  /** Takes one of the provider's places; false where none is free. Each place taken is given back by `leave`. */
  enter(target: Target): boolean {
    if (this.isSaturated(target.provider)) return false;
    add(this.byProvider, target.provider.name, 1);
    add(this.byTarget, target.id, 1);
    return true;
  }

  leave(target: Target): void {
    add(this.byProvider, target.provider.name, -1);
    add(this.byTarget, target.id, -1);
  }

  recordFirstContent(target: Target, elapsedMs: number): void {
    this.measure(target.id, elapsedMs);
  }

  recordFailure(target: Target): void {
    this.measure(target.id, FAILURE_COUNTS_AS_MS);
  }

  /** A measure for comparing targets: recent time to first content, times what is waiting there already. */
  expectedWaitMs(targetId: string): number {
    return (this.recentMs(targetId) + 1) * ((this.byTarget.get(targetId) ?? 0) + 1);
  }

  /** 0 for a target that was not measured lately: an unknown one is worth a try. */
  private recentMs(targetId: string): number {
    const latency = this.latencies.get(targetId);
    if (!latency) return 0;
    return latency.averageMs * Math.exp((latency.measuredAtMs - this.clock.monotonicMs()) / FORGET_AFTER_MS);
  }

  private measure(targetId: string, elapsedMs: number): void {
    const known = this.latencies.has(targetId);
    const averageMs = known ? NEWEST_SHARE * elapsedMs + (1 - NEWEST_SHARE) * this.recentMs(targetId) : elapsedMs;
    this.latencies.set(targetId, { averageMs, measuredAtMs: this.clock.monotonicMs() });
  }
}

function add(counts: Map<string, number>, key: string, difference: number): void {
  const count = (counts.get(key) ?? 0) + difference;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
