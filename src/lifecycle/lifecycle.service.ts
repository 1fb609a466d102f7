import { Injectable } from '@nestjs/common';

/**
 * - `serving`: takes requests.
 * - `draining`: not ready any more, so that load balancers look elsewhere; still takes requests.
 * - `refusing`: new requests get 503 `shutting_down`; those in flight go on.
 * - `cutting`: the time is up; what is still in flight is ended with an error.
 */
export type LifecyclePhase = 'serving' | 'draining' | 'refusing' | 'cutting';

/** Where the process stands between its start and its end, and how many requests it still owes an answer. */
@Injectable()
export class LifecycleService {
  private currentPhase: LifecyclePhase = 'serving';
  private inFlightCount = 0;
  private readonly onIdle = new Set<() => void>();
  private readonly cutting = new AbortController();

  get phase(): LifecyclePhase {
    return this.currentPhase;
  }

  get inFlight(): number {
    return this.inFlightCount;
  }

  /** Aborted when open streams must end now. */
  get cutSignal(): AbortSignal {
    return this.cutting.signal;
  }

  enter(phase: LifecyclePhase): void {
    this.currentPhase = phase;
    if (phase === 'cutting') this.cutting.abort();
  }

  requestStarted(): void {
    this.inFlightCount++;
  }

  requestEnded(): void {
    this.inFlightCount--;
    if (this.inFlightCount > 0) return;
    for (const notify of this.onIdle) notify();
    this.onIdle.clear();
  }

  /** Resolves true once nothing is in flight, false where that takes longer than `timeoutMs`. */
  whenIdle(timeoutMs: number): Promise<boolean> {
    if (this.inFlightCount === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.onIdle.delete(notify);
        resolve(false);
      }, timeoutMs);
      const notify = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      this.onIdle.add(notify);
    });
  }
}
