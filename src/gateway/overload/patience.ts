/** What is looked at as a whole before patience changes. */
const WINDOW_MS = 50;
/** Less idle time than this is none. */
const FULL_SHARE = 0.95;
/** With idle time left, a burst may be this many times as late as the target before any of it is refused. */
const CALM_FACTOR = 25;
/** So many times less than the target, at the least: a turn does more than let in, it has answers and refusals to write. */
const FLOOR_FACTOR = 16;
const SHRINK = 0.5;
const GROW = 1.2;

/**
 * How late a new request may be and still be let in. Patience is long while the event loop has idle time: what comes
 * together then is a burst, and is over soon. In every window without any, in which turns are longer than the target,
 * it halves: then only those are let in that are read early in a turn, and turns stay as long as the target. It grows
 * back by a fifth a window. How many are refused follows from how many come: there is no rate to get wrong.
 */
export class Patience {
  private currentMs: number;
  private windowMs = 0;
  private busyMs = 0;
  private busySquares = 0;

  constructor(private readonly readTargetMs: () => number) {
    this.currentMs = this.calmMs;
  }

  /** Milliseconds; infinite where requests are not refused for being late. */
  get ms(): number {
    return this.readTargetMs() === 0 ? Number.POSITIVE_INFINITY : this.currentMs;
  }

  get isCalm(): boolean {
    return this.ms >= this.calmMs;
  }

  /** As it will be once a turn that slept so long is over. */
  afterIdle(idleMs: number): number {
    return this.readTargetMs() === 0 ? Number.POSITIVE_INFINITY : this.grown(idleMs);
  }

  /** A turn of the event loop is over. Returns whether patience may have changed. */
  turnEnded(busyMs: number, turnMs: number): boolean {
    this.windowMs += turnMs;
    this.busyMs += busyMs;
    this.busySquares += busyMs * busyMs;
    if (this.windowMs < WINDOW_MS) return false;
    // As long as the turn is, on average, that a request happens to arrive in; long turns meet more of them.
    const turnMetMs = this.busySquares / this.windowMs;
    const isFull = this.busyMs >= FULL_SHARE * this.windowMs;
    this.currentMs =
      isFull && turnMetMs > this.readTargetMs()
        ? Math.max(this.floorMs, this.currentMs * SHRINK)
        : this.grown(this.windowMs);
    this.windowMs = 0;
    this.busyMs = 0;
    this.busySquares = 0;
    return true;
  }

  private get calmMs(): number {
    return this.readTargetMs() * CALM_FACTOR;
  }

  private get floorMs(): number {
    return this.readTargetMs() / FLOOR_FACTOR;
  }

  private grown(byMs: number): number {
    return Math.min(this.calmMs, Math.max(this.currentMs, this.floorMs) * GROW ** (byMs / WINDOW_MS));
  }
}
