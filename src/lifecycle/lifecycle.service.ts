import { Injectable } from '@nestjs/common';
import { AegisError } from '../domain/errors.js';
import { Roster } from '../domain/roster.js';

/**
 * - `serving`: takes requests.
 * - `draining`: not ready any more, so that load balancers look elsewhere; still takes requests.
 * - `refusing`: new requests get 503 `shutting_down`; those in flight go on.
 * - `cutting`: the time is up; what is still in flight is ended with an error.
 */
export type LifecyclePhase = 'serving' | 'draining' | 'refusing' | 'cutting';

type Cut = (reason: AegisError) => void;

/** Where the process stands between its start and its end, and which requests it still owes an answer. */
@Injectable()
export class LifecycleService {
  private currentPhase: LifecyclePhase = 'serving';
  private readonly flights = new Roster<Cut>();
  private readonly onIdle = new Set<() => void>();

  get phase(): LifecyclePhase {
    return this.currentPhase;
  }

  get inFlight(): number {
    return this.flights.size;
  }

  enter(phase: LifecyclePhase): void {
    this.currentPhase = phase;
    if (phase !== 'cutting') return;
    const reason = new AegisError('shutting_down', 'This gateway had to shut down before the answer was complete.');
    for (const cut of this.flights.list()) cut(reason);
  }

  /** Counts a request in. `cut` is called where it must end now. Returns what its end has to call, once. */
  requestStarted(cut: Cut): () => void {
    const leave = this.flights.enter(cut);
    return () => {
      leave();
      if (this.flights.size > 0) return;
      for (const notify of this.onIdle) notify();
      this.onIdle.clear();
    };
  }

  /** Resolves true once nothing is in flight, false where that takes longer than `timeoutMs`. */
  whenIdle(timeoutMs: number): Promise<boolean> {
    if (this.flights.size === 0) return Promise.resolve(true);
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
