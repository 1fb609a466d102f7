import { Column } from 'typeorm';
import type { UsageSource } from '../../domain/accounting.js';

/** What was used and what it cost: of one try, or of all tries of a request together. */
export abstract class CountedUsage {
  @Column({ type: 'bigint', name: 'prompt_tokens', nullable: true })
  promptTokens!: string | null;

  @Column({ type: 'bigint', name: 'completion_tokens', nullable: true })
  completionTokens!: string | null;

  @Column({ type: 'bigint', name: 'cached_prompt_tokens', nullable: true })
  cachedPromptTokens!: string | null;

  @Column({ type: 'bigint', name: 'cache_write_tokens', nullable: true })
  cacheWriteTokens!: string | null;

  @Column({ type: 'bigint', name: 'reasoning_tokens', nullable: true })
  reasoningTokens!: string | null;

  @Column({ type: 'text', name: 'usage_source' })
  usageSource!: UsageSource;

  /** Nano-USD (10^-9 USD); null where no target had a price. */
  @Column({ type: 'numeric', precision: 20, scale: 0, name: 'cost_nano_usd', nullable: true })
  costNanoUsd!: string | null;
}
