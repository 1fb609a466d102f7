import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { AttemptOutcome } from '../../domain/observer.js';
import { CountedUsage } from './counted-usage.js';
import { UsageRequestEntity } from './usage-request.entity.js';

/** One try at one target. */
@Entity('usage_attempt')
export class UsageAttemptEntity extends CountedUsage {
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

  @Column({ type: 'text', name: 'service_tier', nullable: true })
  serviceTier!: string | null;
}
