import type { PrimaryLink } from './primary-link.js';

/** Which of the processes that serve on one port this is. */
export interface WorkerRole {
  /** From 1 on; whoever replaces a worker that ended has its number. */
  readonly number: number;
  /** How many there are. */
  readonly count: number;
  /** The way to the process that started them; null where this one serves alone. */
  readonly primary: PrimaryLink | null;
}

/** Injection token of the `WorkerRole`. */
export const WORKER_ROLE = Symbol('WorkerRole');

/** One process that is all there is. */
export const ALONE: WorkerRole = { number: 1, count: 1, primary: null };

/** This worker's part of what all of them have together; the parts of all add up to it. */
export function shareOf(total: number, { number, count }: WorkerRole): number {
  return Math.floor(total / count) + (number <= total % count ? 1 : 0);
}
