import { statusOf } from '../auth/api-key.guard.js';
import type { ApiKeyRecord } from '../database/api-key.repository.js';
import { formatUsd } from './input.js';
import { formatTable } from './table.js';

/** A key for machines: names as in the documentation, money as an exact decimal, times in ISO 8601. */
export function toJson(record: ApiKeyRecord, nowMs: number): Record<string, unknown> {
  const { principal } = record;
  return {
    id: principal.keyId,
    prefix: principal.keyPrefix,
    organization: principal.organization,
    team: principal.team,
    user: principal.user,
    name: principal.keyName,
    status: statusOf(record, nowMs),
    default_classification: principal.defaultClassification,
    max_classification: principal.maxClassification,
    allowed_models: principal.allowedModels,
    rpm_limit: principal.rpmLimit,
    tpm_limit: principal.tpmLimit,
    max_parallel_requests: principal.maxParallelRequests,
    budget_usd: principal.budgetNanoUsd === null ? null : formatUsd(principal.budgetNanoUsd),
    budget_window: principal.budgetWindow,
    may_explain: principal.mayExplain,
    created_at: record.createdAt.toISOString(),
    expires_at: principal.expiresAtMs === null ? null : new Date(principal.expiresAtMs).toISOString(),
    last_used_at: record.lastUsedAt?.toISOString() ?? null,
    revoked_at: record.revokedAt?.toISOString() ?? null,
    revoked_reason: record.revokedReason,
  };
}

/** A new key for a person: the one time that it can be read. */
export function describeNewKey(key: string, record: ApiKeyRecord, nowMs: number): string {
  const facts = Object.entries(toJson(record, nowMs)).filter(([, value]) => value !== null);
  const lines = facts.map(
    ([name, value]) => `  ${name.padEnd(24)}${Array.isArray(value) ? value.join(', ') || '(none)' : value}`,
  );
  return `${key}\n\nThis key is shown once. AEGIS keeps only its hash.\n\n${lines.join('\n')}\n`;
}

/** A table with one line a key. */
export function describeList(records: readonly ApiKeyRecord[], nowMs: number): string {
  if (records.length === 0) return 'There are no keys.\n';
  const rows = records.map((record) => {
    const { principal } = record;
    return [
      principal.keyId,
      principal.keyPrefix,
      `${principal.organization}/${principal.team}`,
      principal.keyName,
      statusOf(record, nowMs),
      principal.maxClassification,
      principal.mayExplain ? 'yes' : 'no',
      record.lastUsedAt?.toISOString() ?? 'never used',
    ];
  });
  return formatTable([['ID', 'PREFIX', 'ORG/TEAM', 'NAME', 'STATUS', 'UP TO', 'MAY EXPLAIN', 'LAST USED'], ...rows]);
}
