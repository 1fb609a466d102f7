import type { AttemptRecord, UsageRecord } from '../../domain/accounting.js';
import type { TokenUsage } from '../../domain/usage.js';

/** Columns in the order of the statement's types; a record becomes an object of these names. */
const USAGE_COLUMNS = {
  prompt_tokens: 'bigint',
  completion_tokens: 'bigint',
  cached_prompt_tokens: 'bigint',
  cache_write_tokens: 'bigint',
  reasoning_tokens: 'bigint',
  usage_source: 'text',
  cost_nano_usd: 'numeric',
} as const;

export const REQUEST_COLUMNS = {
  id: 'uuid',
  request_id: 'text',
  key_id: 'uuid',
  organization: 'text',
  team: 'text',
  project: 'text',
  requested_model: 'text',
  provider: 'text',
  model: 'text',
  level: 'text',
  stream: 'boolean',
  status: 'integer',
  code: 'text',
  ending: 'text',
  finish_reason: 'text',
  started_at: 'timestamptz',
  duration_ms: 'double precision',
  upstream_ms: 'double precision',
  first_content_ms: 'double precision',
  ...USAGE_COLUMNS,
  price_version: 'text',
} as const;

export const ATTEMPT_COLUMNS = {
  usage_request_id: 'uuid',
  position: 'integer',
  provider: 'text',
  model: 'text',
  outcome: 'text',
  duration_ms: 'double precision',
  service_tier: 'text',
  ...USAGE_COLUMNS,
} as const;

export type RequestRow = Readonly<Record<keyof typeof REQUEST_COLUMNS, string | number | boolean | null>>;
export type AttemptRow = Readonly<Record<keyof typeof ATTEMPT_COLUMNS, string | number | null>>;

export function toRequestRow(record: UsageRecord): RequestRow {
  return {
    id: record.id,
    request_id: record.requestId,
    key_id: record.keyId,
    organization: record.organization,
    team: record.team,
    project: record.project,
    requested_model: record.requestedModel,
    provider: record.provider,
    model: record.model,
    level: record.level,
    stream: record.stream,
    status: record.status,
    code: record.code,
    ending: record.ending,
    finish_reason: record.finishReason,
    started_at: new Date(record.startedAtMs).toISOString(),
    duration_ms: record.durationMs,
    upstream_ms: record.upstreamMs,
    first_content_ms: record.firstContentMs,
    ...toUsage(record),
    price_version: record.priceVersion,
  };
}

export function toAttemptRows({ id, attempts }: UsageRecord): AttemptRow[] {
  return attempts.map((attempt, index) => ({
    usage_request_id: id,
    position: index + 1,
    provider: attempt.provider,
    model: attempt.model,
    outcome: attempt.outcome,
    duration_ms: attempt.durationMs,
    service_tier: attempt.usage?.serviceTier ?? null,
    ...toUsage(attempt),
  }));
}

function toUsage({ usage, usageSource, costNanoUsd }: UsageRecord | AttemptRecord): {
  [Column in keyof typeof USAGE_COLUMNS]: string | number | null;
} {
  const count = (key: keyof TokenUsage): number | null => (usage ? Number(usage[key]) : null);
  return {
    prompt_tokens: count('promptTokens'),
    completion_tokens: count('completionTokens'),
    cached_prompt_tokens: count('cachedPromptTokens'),
    cache_write_tokens: count('cacheWriteTokens'),
    reasoning_tokens: count('reasoningTokens'),
    usage_source: usageSource,
    cost_nano_usd: costNanoUsd === null ? null : costNanoUsd.toString(),
  };
}
