import type { Actual, BudgetFigures, KnownSpending, Reservation } from './limit-store.js';
import { LEASE_MS } from './limit-store.js';

interface Held {
  readonly amountNanoUsd: bigint;
  leaseEndsMs: number;
}

/** What one budget's window has come to in this process. Money in nano-USD, times monotonic milliseconds. */
export class BudgetCounter {
  private readonly open = new Map<string, Held>();
  /** Given back because nobody renewed them; their cost still counts once it is known. */
  private readonly expired = new Set<string>();
  private spent = 0n;
  private reserved = 0n;
  /** Part of `spent` that was spent here since the counter began. */
  private charged = 0n;
  private told: KnownSpending | null = null;
  private seeded = false;
  private known = false;

  constructor(
    /** Milliseconds since 1970. */
    private readonly beganAtMs: number,
    readonly endOfLifeMs: number,
  ) {}

  /** Whether anybody said what was spent: the ledger, or another store. */
  get isKnown(): boolean {
    return this.known;
  }

  get spentNanoUsd(): bigint {
    return this.spent;
  }

  get reservedNanoUsd(): bigint {
    return this.reserved;
  }

  get figures(): BudgetFigures {
    return { spentNanoUsd: this.spent, epoch: '', isSeeded: this.seeded, beganAtMs: this.beganAtMs };
  }

  reserve(id: string, amountNanoUsd: bigint, nowMs: number): void {
    if (this.open.has(id)) return;
    this.open.set(id, { amountNanoUsd, leaseEndsMs: nowMs + LEASE_MS });
    this.reserved += amountNanoUsd;
  }

  renew(id: string, nowMs: number): void {
    const held = this.open.get(id);
    if (held && held.leaseEndsMs > nowMs) held.leaseEndsMs = nowMs + LEASE_MS;
  }

  /** What was reserved elsewhere counts from the moment its cost is known. */
  settle({ demand }: Reservation, { costNanoUsd }: Actual): void {
    const held = this.open.get(demand.id);
    if (held) {
      this.open.delete(demand.id);
      this.reserved -= held.amountNanoUsd;
    } else if (!this.expired.delete(demand.id)) return;
    this.charge(costNanoUsd);
  }

  charge(costNanoUsd: bigint): void {
    this.spent += costNanoUsd;
    this.charged += costNanoUsd;
  }

  /** What Redis said last; null where it never did. Without what it was not told yet. */
  get shared(): KnownSpending | null {
    return this.told;
  }

  /**
   * Answers may overtake each other, and a counter that was lost may know less: the most that was said stays. So does
   * what another life said until this one was told of it (`sent`), for what it says is more may have come on top of less.
   */
  learnShared({ spentNanoUsd, epoch, isSeeded }: BudgetFigures, sent: KnownSpending | null): void {
    if (this.told !== null) {
      const isTold = this.told.epoch === epoch || (sent !== null && sent.spentNanoUsd >= this.told.spentNanoUsd);
      if (!isTold || spentNanoUsd < this.told.spentNanoUsd) return;
    }
    const isPart = !isSeeded && (this.told === null || this.told.isPart);
    this.told = { spentNanoUsd, epoch, ...(isPart && { isPart }) };
    this.learn(this.told);
  }

  /** The least that was spent, as somebody else knows it. */
  learn({ spentNanoUsd, isPart }: Pick<KnownSpending, 'spentNanoUsd' | 'isPart'>): void {
    if (!isPart) this.known = true;
    if (spentNanoUsd > this.spent) this.spent = spentNanoUsd;
  }

  /** What was spent before the counter began. */
  seed(spentNanoUsd: bigint): void {
    if (this.seeded) return;
    this.learn({ spentNanoUsd: spentNanoUsd + this.charged });
    this.seeded = true;
  }

  expire(nowMs: number): void {
    for (const [id, held] of this.open) {
      if (held.leaseEndsMs > nowMs) continue;
      this.open.delete(id);
      this.expired.add(id);
      this.reserved -= held.amountNanoUsd;
    }
  }
}
