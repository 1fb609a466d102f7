import type { WindowFigures } from './limit-store.js';
import { WINDOW_SECONDS } from './limit-store.js';

/** Counts by the second. What lies wholly more than a minute back no longer counts. */
export class SlidingWindow {
  private readonly counts = new Map<number, number>();
  private total = 0;
  private newest = Number.NEGATIVE_INFINITY;
  /** What is older was taken out. */
  private oldest = Number.NEGATIVE_INFINITY;

  /** Whether nothing counts at this moment. */
  isIdle(nowMs: number): boolean {
    this.advance(nowMs);
    return this.counts.size === 0;
  }

  used(nowMs: number): number {
    this.advance(nowMs);
    return this.total;
  }

  figures(nowMs: number): WindowFigures {
    const used = this.used(nowMs);
    return { used, resetMs: used > 0 ? Math.max(0, endOfSecondMs(this.newest) - nowMs) : 0 };
  }

  /** Changes the count of a second that still counts; nothing where it no longer does. */
  add(second: number, count: number, nowMs: number): void {
    this.advance(nowMs);
    if (second < this.oldest) return;
    this.counts.set(second, (this.counts.get(second) ?? 0) + count);
    this.total += count;
    this.newest = Math.max(this.newest, second);
  }

  /** Milliseconds until `wanted` more fit; null where they never do. */
  findPauseMs(limit: number, wanted: number, nowMs: number): number | null {
    let excess = this.used(nowMs) + wanted - limit;
    if (excess > this.total) return null;
    for (const [second, count] of [...this.counts].sort(([first], [other]) => first - other)) {
      excess -= count;
      if (excess <= 0) return endOfSecondMs(second) - nowMs;
    }
    return null;
  }

  private advance(nowMs: number): void {
    const oldest = oldestSecond(nowMs);
    if (oldest <= this.oldest) return;
    this.oldest = oldest;
    for (const [second, count] of this.counts) {
      if (second >= oldest) continue;
      this.total -= count;
      this.counts.delete(second);
    }
  }
}

export function secondOf(nowMs: number): number {
  return Math.floor(nowMs / 1000);
}

function oldestSecond(nowMs: number): number {
  return secondOf(nowMs) - WINDOW_SECONDS;
}

/** When what was counted in a second no longer counts. */
function endOfSecondMs(second: number): number {
  return (second + WINDOW_SECONDS + 1) * 1000;
}
