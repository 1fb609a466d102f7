import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { AttemptRecord, UsageBeginning, UsageRecord } from '../../src/domain/accounting.js';
import { ATTEMPT_OUTCOMES } from '../../src/domain/observer.js';
import type { TokenUsage } from '../../src/domain/usage.js';

export function makeUsageRecord(changes: Partial<UsageRecord> = {}): UsageRecord {
  const { provider: _provider, model: _model, ...known } = makeBeginning();
  const usage: TokenUsage = {
    promptTokens: 9,
    completionTokens: 3,
    totalTokens: 12,
    cachedPromptTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
  };
  return {
    ...known,
    provider: 'openai',
    model: 'gpt-4o-mini',
    status: 200,
    code: null,
    ending: 'complete',
    finishReason: 'stop',
    durationMs: 1.25,
    upstreamMs: 1,
    firstContentMs: 1,
    usage,
    usageSource: 'provider',
    costNanoUsd: 3150n,
    attempts: [
      {
        provider: 'openai',
        model: 'gpt-4o-mini',
        outcome: 'success',
        durationMs: 1,
        usage,
        usageSource: 'provider',
        costNanoUsd: 3150n,
      },
    ],
    ...changes,
  };
}

export function makeBeginning(changes: Partial<UsageBeginning> = {}): UsageBeginning {
  return {
    id: randomUUID(),
    requestId: 'request-1',
    keyId: '00000000-0000-4000-8000-000000000000',
    organization: 'acme',
    team: 'core',
    project: null,
    requestedModel: 'aegis-fast',
    level: 'INTERNAL',
    stream: false,
    startedAtMs: 1_790_000_000_000,
    priceVersion: '2026-01-01',
    provider: 'openai',
    model: 'gpt-4o-mini',
    ...changes,
  };
}

const name = () => fc.string({ unit: 'grapheme', maxLength: 40 });
const count = () => fc.nat({ max: 2 ** 31 });
const cost = () => fc.option(fc.bigInt({ min: 0n, max: 2n ** 62n }));
const source = () => fc.constantFrom('provider', 'estimated', 'none' as const);

const usage = () =>
  fc.option(
    fc.record({
      promptTokens: count(),
      completionTokens: count(),
      totalTokens: count(),
      cachedPromptTokens: count(),
      cacheWriteTokens: count(),
      reasoningTokens: count(),
    }),
  );

const attempt = (): fc.Arbitrary<AttemptRecord> =>
  fc.record({
    provider: name(),
    model: name(),
    outcome: fc.constantFrom(...ATTEMPT_OUTCOMES),
    durationMs: count(),
    usage: usage(),
    usageSource: source(),
    costNanoUsd: cost(),
  });

/** Any record at all. */
export const usageRecords = (): fc.Arbitrary<UsageRecord> =>
  fc
    .record({
      id: fc.uuid(),
      requestId: name(),
      organization: name(),
      team: name(),
      project: fc.option(name()),
      requestedModel: fc.option(name()),
      code: fc.option(name()),
      finishReason: fc.option(name()),
      usage: usage(),
      usageSource: source(),
      costNanoUsd: cost(),
      attempts: fc.array(attempt(), { maxLength: 4 }),
    })
    .map((changes) => makeUsageRecord(changes));
