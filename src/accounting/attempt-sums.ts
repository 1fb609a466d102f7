import type { AttemptRecord, UsageRecord, UsageSource } from '../domain/accounting.js';
import type { TokenUsage } from '../domain/usage.js';

type Sums = Pick<UsageRecord, 'usage' | 'usageSource' | 'costNanoUsd'>;

/** All attempts of a request together. One estimate makes the sum one. */
export function sumAttempts(attempts: readonly AttemptRecord[]): Sums {
  const [only, ...others] = attempts;
  if (only && others.length === 0) {
    const { usage, usageSource, costNanoUsd } = only;
    return { usage, usageSource, costNanoUsd };
  }
  let usage: TokenUsage | null = null;
  let usageSource: UsageSource = 'none';
  let costNanoUsd: bigint | null = null;
  for (const attempt of attempts) {
    if (attempt.usage) usage = usage ? add(usage, attempt.usage) : attempt.usage;
    if (attempt.costNanoUsd !== null) costNanoUsd = (costNanoUsd ?? 0n) + attempt.costNanoUsd;
    if (attempt.usageSource === 'estimated' || usageSource === 'none') usageSource = attempt.usageSource;
  }
  return { usage, usageSource, costNanoUsd };
}

function add(one: TokenUsage, other: TokenUsage): TokenUsage {
  const cacheWrite1hTokens = (one.cacheWrite1hTokens ?? 0) + (other.cacheWrite1hTokens ?? 0);
  return {
    promptTokens: one.promptTokens + other.promptTokens,
    completionTokens: one.completionTokens + other.completionTokens,
    totalTokens: one.totalTokens + other.totalTokens,
    cachedPromptTokens: one.cachedPromptTokens + other.cachedPromptTokens,
    cacheWriteTokens: one.cacheWriteTokens + other.cacheWriteTokens,
    reasoningTokens: one.reasoningTokens + other.reasoningTokens,
    ...(cacheWrite1hTokens > 0 && { cacheWrite1hTokens }),
  };
}
