import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SnapshotService } from '../../config/snapshot.service.js';
import type { Clock } from '../../domain/clock.js';
import { AegisError } from '../../domain/errors.js';
import { CLOCK, GATEWAY_OBSERVER, type GatewayObserver, type ShedReason } from '../../domain/observer.js';
import { LifecycleService } from '../../lifecycle/lifecycle.service.js';
import { shareOf, WORKER_ROLE, type WorkerRole } from '../../workers/worker-role.js';
import { BodyBudget } from './body-budget.js';
import { type Capacity, countConnections, findMeans, type Means, planCapacity } from './capacity.js';
import { LoopWatch } from './loop-watch.js';
import { Patience } from './patience.js';
import { RetryAdvice } from './retry-advice.js';

/**
 * Whether one more request is taken on. Processor time is guarded by how late the event loop is, memory and file
 * descriptors by counts: a stream that waits for its provider costs the first nothing, and the others as much as a
 * completion. What was let in is never refused again.
 */
@Injectable()
export class Admission implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly means: Means;
  private readonly loop = new LoopWatch();
  private readonly bodies = new BodyBudget();
  private readonly advice = new RetryAdvice();
  private readonly patience: Patience;
  private capacity: Capacity;

  constructor(
    private readonly snapshots: SnapshotService,
    private readonly lifecycle: LifecycleService,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(GATEWAY_OBSERVER) private readonly observer: GatewayObserver,
    @Inject(WORKER_ROLE) private readonly role: WorkerRole,
  ) {
    this.means = findMeans(role.count);
    this.patience = new Patience(() => this.settings.targetDelayMs);
    this.capacity = this.planCapacity();
  }

  onApplicationBootstrap(): void {
    this.report();
    this.loop.start((busyMs, turnMs) => {
      const wasCalm = this.patience.isCalm;
      if (this.patience.turnEnded(busyMs, turnMs) && !(wasCalm && this.patience.isCalm)) this.report();
    });
    this.snapshots.changes$.subscribe(() => {
      this.capacity = this.planCapacity();
      this.report();
    });
  }

  onApplicationShutdown(): void {
    this.loop.stop();
  }

  /** Connections that there are file descriptors for. Past them one is closed as soon as it is made: no answer fits. */
  get maxConnections(): number {
    return countConnections(this.means);
  }

  /** Why a new request is not taken on; null where it is. Microseconds, and nothing is read of it. */
  findObstacle(): ShedReason | null {
    if (this.lifecycle.inFlight >= this.capacity.maxInFlight) return 'in_flight';
    if (this.isLate()) return 'delay';
    this.advice.admitted();
    return null;
  }

  /** Sets memory aside for a body. Returns how to give it back, or null where there is no room. */
  reserveBody(headers: IncomingHttpHeaders, bodyLimitBytes: number): (() => void) | null {
    return this.bodies.reserve(headers, bodyLimitBytes, this.capacity.maxBodiesBytes);
  }

  /** What the client of a request is told that is not taken on. Counts it. */
  refuse(reason: ShedReason): AegisError {
    return new AegisError('overloaded', describeShedding(reason), { retryAfterMs: this.shed(reason) });
  }

  /** Counts a request that is not taken on. Returns when its client should come again, in milliseconds from now. */
  shed(reason: ShedReason): number {
    this.observer.requestShed(reason);
    return this.advice.refused(this.clock.monotonicMs());
  }

  private isLate(): boolean {
    const { busyMs, idleMs } = this.loop.current();
    return busyMs > this.patience.ms && busyMs > this.patience.afterIdle(idleMs);
  }

  private get settings() {
    return this.snapshots.current.gateway.server.overload;
  }

  private planCapacity(): Capacity {
    const { overload, bodyLimitBytes } = this.snapshots.current.gateway.server;
    // 0 says that it is for the gateway to choose.
    const share = (total: number): number => (total === 0 ? 0 : Math.max(1, shareOf(total, this.role)));
    const maxInFlight = share(overload.maxInFlight);
    return planCapacity({ maxInFlight, maxBodiesBytes: share(overload.maxBodiesBytes) }, bodyLimitBytes, this.means);
  }

  private report(): void {
    this.observer.admissionChanged(this.patience.ms, this.capacity.maxInFlight);
  }
}

/** For the client. */
export function describeShedding(reason: ShedReason): string {
  switch (reason) {
    case 'delay':
      return 'This gateway has more to do than it can. Try again.';
    case 'in_flight':
      return 'This gateway has as many requests open as it can. Try again.';
    case 'bodies':
      return 'This gateway is holding as many request bodies as it can. Try again.';
    default:
      return reason satisfies never;
  }
}
