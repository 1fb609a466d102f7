import type { AttemptRecord, UsageRecord } from '../../domain/accounting.js';
import { isObject } from '../../domain/json.js';

const WHOLE_NUMBER = /^\d{1,19}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A record as JSON; 64-bit amounts as decimal digits. */
export function encodeRecord(record: UsageRecord): string {
  return JSON.stringify({
    ...record,
    costNanoUsd: record.costNanoUsd === null ? null : record.costNanoUsd.toString(),
    attempts: record.attempts.map(encodeAttempt),
  });
}

/** Null where the text is no record: its checksum was right, so another version of AEGIS has written it. */
export function decodeRecord(payload: string): UsageRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return null;
  }
  if (!isObject(value) || !Array.isArray(value.attempts)) return null;
  const { id, keyId, requestId, startedAtMs, status } = value;
  if (typeof id !== 'string' || !UUID.test(id) || typeof keyId !== 'string' || typeof requestId !== 'string')
    return null;
  if (typeof startedAtMs !== 'number' || typeof status !== 'number') return null;
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

function encodeAttempt(attempt: AttemptRecord): object {
  const { costNanoUsd } = attempt;
  return { ...attempt, costNanoUsd: costNanoUsd === null ? null : costNanoUsd.toString() };
}

/** Undefined where it is no cost. */
function decodeCost(value: unknown): bigint | null | undefined {
  if (value === null) return null;
  return typeof value === 'string' && WHOLE_NUMBER.test(value) ? BigInt(value) : undefined;
}
