import type { BudgetWindow } from '../../domain/principal.js';

export interface BudgetPeriod {
  /** Milliseconds since 1970; the end is the next one's start. */
  readonly startMs: number;
  readonly endMs: number;
}

/** The day or month in UTC that a moment lies in. */
export function periodOf(window: BudgetWindow, nowMs: number): BudgetPeriod {
  const now = new Date(nowMs);
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()];
  switch (window) {
    case 'day':
      return { startMs: Date.UTC(year, month, day), endMs: Date.UTC(year, month, day + 1) };
    case 'month':
      return { startMs: Date.UTC(year, month, 1), endMs: Date.UTC(year, month + 1, 1) };
    default:
      return window satisfies never;
  }
}
