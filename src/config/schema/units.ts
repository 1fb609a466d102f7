/**
 * How durations, sizes and money stand in the files. Every reader answers undefined for text that is none, so that the
 * caller can say where it stands.
 */
const DURATION_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_UNITS_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

const DURATION = /^(\d{1,12})(ms|s|m|h|d)$/;
const SIZE = /^(\d{1,15})(B|KiB|MiB|GiB)$/;
const WHOLE = /^\d{1,15}$/;
const USD = /^(\d{1,9})(?:\.(\d{1,9}))?$/;

const NANO_USD_DIGITS = 9;

/** The patterns editors check values with. */
export const UNIT_PATTERNS = { duration: DURATION.source, size: SIZE.source, usd: USD.source } as const;

/** `250ms`, `30s`, `5m`, `24h`, `180d` → milliseconds. */
export function findDurationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  const durationMs = Number(match[1]) * DURATION_UNITS_MS[match[2] as keyof typeof DURATION_UNITS_MS];
  return Number.isSafeInteger(durationMs) ? durationMs : undefined;
}

/** The shortest way to write a duration; one day is 24h, as people say it of time limits. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s';
  const days = durationMs / DURATION_UNITS_MS.d;
  if (days > 1 && Number.isInteger(days)) return `${days}d`;
  for (const unit of ['h', 'm', 's'] as const) {
    if (durationMs % DURATION_UNITS_MS[unit] === 0) return `${durationMs / DURATION_UNITS_MS[unit]}${unit}`;
  }
  return `${durationMs}ms`;
}

/** `512KiB`, `20MiB`, `1GiB` → bytes. */
export function findSizeBytes(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * SIZE_UNITS_BYTES[match[2] as keyof typeof SIZE_UNITS_BYTES];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest way to write a size. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0B';
  for (const unit of ['GiB', 'MiB', 'KiB'] as const) {
    if (bytes % SIZE_UNITS_BYTES[unit] === 0) return `${bytes / SIZE_UNITS_BYTES[unit]}${unit}`;
  }
  return `${bytes}B`;
}

/** A whole number of at least 0, in decimal digits. */
export function findWholeNumber(text: string): number | undefined {
  return WHOLE.test(text) ? Number(text) : undefined;
}

/** `0.075` → nano-USD (10^-9 USD), from the digits themselves: no float ever comes near a price. */
export function findNanoUsd(text: string): bigint | undefined {
  const match = USD.exec(text);
  if (match === null) return undefined;
  return BigInt(`${match[1]}${(match[2] ?? '').padEnd(NANO_USD_DIGITS, '0')}`);
}
