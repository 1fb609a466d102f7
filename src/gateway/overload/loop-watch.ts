import { performance } from 'node:perf_hooks';

/** One turn of the event loop: `busyMs` is its part that was not spent asleep. */
export type OnTurn = (busyMs: number, turnMs: number) => void;

/**
 * Watches the turns of the event loop. A request that arrives while a turn is under way is read in the next one: so
 * the length of turns is the time that everything waits, several times. Costs a microsecond a turn and wakes nobody.
 */
export class LoopWatch {
  private next: NodeJS.Immediate | null = null;
  private beganAtMs = 0;
  private idleBeforeMs = 0;

  start(onTurn: OnTurn): void {
    this.beganAtMs = performance.now();
    this.idleBeforeMs = performance.nodeTiming.idleTime;
    const turn = (): void => {
      const { busyMs, idleMs } = this.current();
      this.beganAtMs += busyMs + idleMs;
      this.idleBeforeMs += idleMs;
      // One that nobody waits for runs at the end of each turn and keeps the loop neither awake nor alive.
      this.next = setImmediate(turn).unref();
      onTurn(busyMs, busyMs + idleMs);
    };
    this.next = setImmediate(turn).unref();
  }

  stop(): void {
    if (this.next !== null) clearImmediate(this.next);
    this.next = null;
  }

  /** The turn under way. */
  current(): { readonly busyMs: number; readonly idleMs: number } {
    const idleMs = performance.nodeTiming.idleTime - this.idleBeforeMs;
    const busyMs = performance.now() - this.beganAtMs - idleMs;
    return { busyMs: Math.max(busyMs, 0), idleMs: Math.max(idleMs, 0) };
  }
}
