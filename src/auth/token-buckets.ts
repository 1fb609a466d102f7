import { LRUCache } from 'lru-cache';
import type { Clock } from '../domain/clock.js';

interface Bucket {
  tokens: number;
  /** Monotonic. */
  filledAtMs: number;
}

const MINUTE_MS = 60_000;

/**
 * So many a minute for each name, at once or spread. Names that were not heard of for longest are forgotten, so that no
 * number of them fills the memory.
 */
export class TokenBuckets {
  private readonly buckets: LRUCache<string, Bucket>;

  constructor(
    private readonly perMinute: number,
    maxNames: number,
    private readonly clock: Clock,
  ) {
    this.buckets = new LRUCache({ max: maxNames });
  }

  /** False where nothing is left. */
  take(name: string): boolean {
    const bucket = this.fill(name);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  giveBack(name: string): void {
    const bucket = this.fill(name);
    bucket.tokens = Math.min(this.perMinute, bucket.tokens + 1);
  }

  /** Until there is one to take. */
  waitMs(name: string): number {
    return Math.max(0, ((1 - this.fill(name).tokens) * MINUTE_MS) / this.perMinute);
  }

  private fill(name: string): Bucket {
    const nowMs = this.clock.monotonicMs();
    const known = this.buckets.get(name);
    if (known === undefined) {
      const full = { tokens: this.perMinute, filledAtMs: nowMs };
      this.buckets.set(name, full);
      return full;
    }
    const gained = ((nowMs - known.filledAtMs) * this.perMinute) / MINUTE_MS;
    known.tokens = Math.min(this.perMinute, known.tokens + gained);
    known.filledAtMs = nowMs;
    return known;
  }
}
