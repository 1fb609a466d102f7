import type { AttemptRecord, UsageBeginning, UsageRecord } from '../../domain/accounting.js';
import { isObject } from '../../domain/json.js';

const WHOLE_NUMBER = /^\d{1,19}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a `Date` can hold, in milliseconds around 1970. */
const MOST_MS = 8.64e15;

/** The first character of a payload says what follows. */
const BEGINNING = 'B';
const RECORD = 'R';

export type JournalEntry =
  | { readonly kind: 'beginning'; readonly beginning: UsageBeginning }
  | { readonly kind: 'record'; readonly record: UsageRecord };

/** A record as JSON; 64-bit amounts as decimal digits. */
export function encodeRecord(record: UsageRecord): string {
  return (
    RECORD +
    JSON.stringify({
      ...record,
      costNanoUsd: record.costNanoUsd === null ? null : record.costNanoUsd.toString(),
      attempts: record.attempts.map(encodeAttempt),
    })
  );
}

export function encodeBeginning(beginning: UsageBeginning): string {
  return BEGINNING + JSON.stringify(beginning);
}

export function isRecord(payload: string): boolean {
  return payload.startsWith(RECORD);
}

/** Null where the text is no entry: its checksum was right, so another version of AEGIS has written it. */
export function decodeEntry(payload: string): JournalEntry | null {
  if (isRecord(payload)) {
    const record = decodeRecord(payload);
    return record && { kind: 'record', record };
  }
  const value = payload.startsWith(BEGINNING) ? parse(payload) : null;
  if (!isObject(value) || !isIdentified(value) || typeof value.provider !== 'string') return null;
  return { kind: 'beginning', beginning: value as unknown as UsageBeginning };
}

function decodeRecord(payload: string): UsageRecord | null {
  const value = parse(payload);
  if (!isObject(value) || !Array.isArray(value.attempts) || !isIdentified(value)) return null;
  if (typeof value.status !== 'number') return null;
  const costNanoUsd = decodeCost(value.costNanoUsd);
  const attempts: AttemptRecord[] = [];
  for (const attempt of value.attempts as unknown[]) {
    if (!isObject(attempt)) return null;
    const cost = decodeCost(attempt.costNanoUsd);
    if (cost === undefined) return null;
    attempts.push({ ...(attempt as unknown as AttemptRecord), costNanoUsd: cost });
  }
  if (costNanoUsd === undefined) return null;
  return { ...(value as unknown as UsageRecord), costNanoUsd, attempts };
}

function parse(payload: string): unknown {
  try {
    return JSON.parse(payload.slice(1));
  } catch {
    return null;
  }
}

function isIdentified({ id, keyId, requestId, startedAtMs }: Record<string, unknown>): boolean {
  if (typeof id !== 'string' || !UUID.test(id) || typeof keyId !== 'string' || !UUID.test(keyId)) return false;
  return typeof requestId === 'string' && typeof startedAtMs === 'number' && Math.abs(startedAtMs) <= MOST_MS;
}

function encodeAttempt(attempt: AttemptRecord): object {
  const { costNanoUsd } = attempt;
  return costNanoUsd === null ? attempt : { ...attempt, costNanoUsd: costNanoUsd.toString() };
}

/** Undefined where it is no cost. */
function decodeCost(value: unknown): bigint | null | undefined {
  if (value === null) return null;
  return typeof value === 'string' && WHOLE_NUMBER.test(value) ? BigInt(value) : undefined;
}
