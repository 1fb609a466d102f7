import type { Random } from './random.js';

/** Ceiling of the first pause; each further one doubles it. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
/**
 * The longest a provider may ask for. A client can wait longer than this better than the connection it holds open,
 * and is told for how long.
 */
const LONGEST_ASKED_PAUSE_MS = 10_000;

/**
 * How long to wait before the same target is tried again: exponential with full jitter, and never less than the
 * provider asked for. Null where waiting makes no sense: it would pass `remainingMs`, or be too long.
 */
export function pauseBeforeRetryMs(
  retry: number,
  askedMs: number | undefined,
  remainingMs: number,
  random: Random,
): number | null {
  if (askedMs !== undefined && askedMs > LONGEST_ASKED_PAUSE_MS) return null;
  const jitterMs = random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** retry);
  const pauseMs = (askedMs ?? 0) + jitterMs;
  return pauseMs < remainingMs ? pauseMs : null;
}
