import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { UsageSource } from '../../domain/accounting.js';
import type { AttemptOutcome } from '../../domain/observer.js';
import { UsageRequestEntity } from './usage-request.entity.js';

/** One try at one target. */
@Entity('usage_attempt')
export class UsageAttemptEntity {
  @PrimaryColumn({ type: 'uuid', name: 'usage_request_id' })
  usageRequestId!: string;

  /** The request's tries, counted from 1. */
  @PrimaryColumn({ type: 'integer' })
  position!: number;

  @ManyToOne(() => UsageRequestEntity, { nullable: false, onDelete: 'CASCADE' })
  @JoinColumn({ name: 'usage_request_id' })
  request!: UsageRequestEntity;

  @Column({ type: 'text' })
  provider!: string;

  @Column({ type: 'text' })
  model!: string;

  @Column({ type: 'text' })
  outcome!: AttemptOutcome;

  @Column({ type: 'double precision', name: 'duration_ms' })
  durationMs!: number;

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

  @Column({ type: 'text', name: 'service_tier', nullable: true })
  serviceTier!: string | null;

  @Column({ type: 'text', name: 'usage_source' })
  usageSource!: UsageSource;

  @Column({ type: 'numeric', precision: 20, scale: 0, name: 'cost_nano_usd', nullable: true })
  costNanoUsd!: string | null;
}
