/** Tokens of one answer, as OpenAI counts them: details are parts of the totals, never added to them. */
export interface TokenUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly totalTokens: number;
  /** Part of `promptTokens` that a provider's prompt cache served. */
  readonly cachedPromptTokens: number;
  /** Part of `promptTokens` that was written to a provider's prompt cache. */
  readonly cacheWriteTokens: number;
  /** Part of `cacheWriteTokens` that is kept for an hour, which costs more; absent where there is none. */
  readonly cacheWrite1hTokens?: number;
  /** Part of `completionTokens` spent on reasoning that the answer may not show. */
  readonly reasoningTokens: number;
  /** The tier the provider says it served the request in, where that has prices of its own (`flex`, `priority`). */
  readonly serviceTier?: string;
}
