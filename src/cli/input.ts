import type { Classification } from '../domain/classification.js';
import { CLASSIFICATIONS, findClassification } from '../domain/classification.js';
import type { BudgetWindow } from '../domain/principal.js';
import { BUDGET_WINDOWS } from '../domain/principal.js';

/** What a person typed is not usable; `problems` names everything that is wrong with it. */
export class InputError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'InputError';
  }
}

const NANO_USD_DIGITS = 9;
const LARGEST_BUDGET_NANO_USD = 2n ** 63n - 1n;
const LARGEST_LIMIT = 2 ** 31 - 1;
const LONGEST_NAME = 128;
const LONGEST_DURATION_MS = 100 * 365 * 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/**
 * Reads options one after the other and collects what is wrong, so that one run tells all. A value that was not
 * given, or is wrong, reads as null; `assertValid` throws once everything was looked at.
 */
export class InputReader {
  private readonly problems: string[] = [];

  constructor(private readonly options: Readonly<Record<string, unknown>>) {}

  problem(message: string): void {
    this.problems.push(message);
  }

  assertValid(): void {
    if (this.problems.length > 0) throw new InputError(this.problems);
  }

  /** The text of an option, null where it was not given. */
  text(name: string): string | null {
    const value = this.options[toProperty(name)];
    return typeof value === 'string' ? value : null;
  }

  /** A name that people and logs read. */
  name(option: string, { required }: { readonly required: boolean }): string | null {
    const name = this.text(option)?.trim() ?? null;
    if (name === null) {
      if (required) this.problem(`--${option} is missing`);
      return null;
    }
    if (name === '') this.problem(`--${option} is empty`);
    else if (name.length > LONGEST_NAME) this.problem(`--${option} is longer than ${LONGEST_NAME} characters`);
    else if (/\p{C}/u.test(name)) this.problem(`--${option} holds characters that cannot be shown`);
    else return name;
    return null;
  }

  classification(option: string): Classification | null {
    const text = this.text(option);
    if (text === null) return null;
    const level = findClassification(text);
    if (level === undefined) this.problem(`--${option} must be one of ${CLASSIFICATIONS.join(', ')}, not "${text}"`);
    return level ?? null;
  }

  /** A whole number from 1. */
  limit(option: string): number | null {
    const text = this.text(option);
    if (text === null) return null;
    const value = /^\d{1,10}$/.test(text) ? Number(text) : 0;
    if (value >= 1 && value <= LARGEST_LIMIT) return value;
    this.problem(`--${option} must be a whole number from 1 to ${LARGEST_LIMIT}, not "${text}"`);
    return null;
  }

  /** Exact: read digit by digit, never as a floating-point number. */
  usdAsNano(option: string): bigint | null {
    const text = this.text(option);
    if (text === null) return null;
    const nanoUsd = findNanoUsd(text);
    if (nanoUsd === null || nanoUsd > LARGEST_BUDGET_NANO_USD) {
      this.problem(`--${option} must be an amount such as 25 or 0.50, with at most 9 decimals, not "${text}"`);
      return null;
    }
    return nanoUsd;
  }

  budgetWindow(option: string): BudgetWindow | null {
    const text = this.text(option);
    if (text === null) return null;
    const window = BUDGET_WINDOWS.find((candidate) => candidate === text);
    if (window === undefined) this.problem(`--${option} must be ${BUDGET_WINDOWS.join(' or ')}, not "${text}"`);
    return window ?? null;
  }

  /** `30d` from now, or a moment such as 2027-01-31 or 2027-01-31T12:00:00Z; in the future. */
  moment(option: string, nowMs: number): number | null {
    const text = this.text(option);
    if (text === null) return null;
    const durationMs = findDurationMs(text);
    const atMs = durationMs === null ? findMomentMs(text) : nowMs + durationMs;
    if (atMs === null) {
      this.problem(`--${option} must be a duration such as 30d, or a date such as 2027-01-31, not "${text}"`);
    } else if (atMs <= nowMs) {
      this.problem(`--${option} lies in the past: "${text}"`);
    } else {
      return atMs;
    }
    return null;
  }

  /** A moment such as 2027-01-31 or 2027-01-31T12:00:00Z, wherever it lies. */
  anyMoment(option: string): number | null {
    const text = this.text(option);
    if (text === null) return null;
    const atMs = findMomentMs(text);
    if (atMs === null) this.problem(`--${option} must be a date such as 2027-01-31, not "${text}"`);
    return atMs;
  }

  /** `a,b,c`, without repetitions; an empty text is an empty list. */
  list(option: string): string[] | null {
    const text = this.text(option);
    if (text === null) return null;
    const items = text.split(',').map((item) => item.trim());
    return [...new Set(items.filter((item) => item !== ''))];
  }
}

/** Null where the text is no such amount. */
export function findNanoUsd(text: string): bigint | null {
  const match = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text.trim());
  if (match === null) return null;
  const [, whole = '', decimals = ''] = match;
  return BigInt(whole + decimals.padEnd(NANO_USD_DIGITS, '0'));
}

/** The shortest exact decimal, e.g. `12.5`. */
export function formatUsd(nanoUsd: bigint): string {
  const digits = nanoUsd.toString().padStart(NANO_USD_DIGITS + 1, '0');
  const decimals = digits.slice(-NANO_USD_DIGITS).replace(/(?<!0)0+$/, '');
  const whole = digits.slice(0, -NANO_USD_DIGITS);
  return decimals === '' ? whole : `${whole}.${decimals}`;
}

/** Null where the text is no duration such as `30d` or `12h`. */
function findDurationMs(text: string): number | null {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d|w)$/.exec(text.trim()) ?? [];
  const unitMs = UNIT_MS[unit ?? ''];
  if (amount === undefined || unitMs === undefined) return null;
  const durationMs = Number(amount) * unitMs;
  return durationMs <= LONGEST_DURATION_MS ? durationMs : null;
}

/** A date is its first moment in UTC; a time of day needs its zone. */
function findMomentMs(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.exec(text.trim());
  if (match === null) return null;
  const atMs = Date.parse(text.trim());
  // Date.parse takes 31 February for 3 March.
  const day = Date.parse(match[1] ?? '');
  if (Number.isNaN(atMs) || Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== match[1]) return null;
  return atMs;
}

/** `budget-usd` → `budgetUsd`, as the argument parser names it. */
function toProperty(option: string): string {
  return option.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
