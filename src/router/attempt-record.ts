import type { PriceList } from '../config/snapshot.js';
import type { AttemptRecord, UsageSource } from '../domain/accounting.js';
import { computeCostNanoUsd } from '../domain/money.js';
import type { AttemptOutcome } from '../domain/observer.js';
import type { ServedBy } from '../domain/target.js';
import { estimatePromptTokens, type PromptSize } from '../domain/token-estimate.js';
import type { TokenUsage } from '../domain/usage.js';

/** What became of one try at one target. */
export interface AttemptEnd {
  readonly served: ServedBy;
  readonly outcome: AttemptOutcome;
  readonly durationMs: number;
  /** The provider's count as far as it got; null where it gave none. */
  readonly usage: TokenUsage | null;
  /** Estimated from the content that came; 0 where none came. */
  readonly receivedTokens: () => number;
}

/** A try as the ledger keeps it. What broke off is billed for what was received of it. */
export function describeAttempt(end: AttemptEnd, measurePrompt: () => PromptSize, pricing: PriceList): AttemptRecord {
  const { served, outcome, durationMs } = end;
  const { usage, usageSource } = billableUsage(end, measurePrompt);
  return {
    provider: served.provider,
    model: served.model,
    outcome,
    durationMs: Math.round(durationMs * 100) / 100,
    usage,
    usageSource,
    costNanoUsd: findCostNanoUsd(served, usage, pricing),
  };
}

/** Null where the target has no price. */
function findCostNanoUsd(served: ServedBy, usage: TokenUsage | null, pricing: PriceList): bigint | null {
  const price = pricing.prices.get(`${served.provider}/${served.model}`);
  if (!price) return null;
  return usage ? computeCostNanoUsd(usage, price) : 0n;
}

function billableUsage(
  { outcome, usage, receivedTokens }: AttemptEnd,
  measurePrompt: () => PromptSize,
): { readonly usage: TokenUsage | null; readonly usageSource: UsageSource } {
  if (usage && outcome === 'success') return { usage, usageSource: 'provider' };
  const completionTokens = receivedTokens();
  if (usage && usage.completionTokens >= completionTokens) return { usage, usageSource: 'provider' };
  if (completionTokens === 0) return { usage: null, usageSource: 'none' };
  // A provider that counts as it goes has counted the prompt, and only the beginning of the answer.
  const promptTokens = usage?.promptTokens ?? estimatePromptTokens(measurePrompt());
  return {
    usage: {
      cachedPromptTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 0,
      ...usage,
      promptTokens,
      completionTokens,
      totalTokens: promptTokens + completionTokens,
    },
    usageSource: 'estimated',
  };
}
