import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { UsageEnding } from '../../domain/accounting.js';
import type { Classification } from '../../domain/classification.js';
import { CountedUsage } from './counted-usage.js';

/** What one request of a known key used. Counts and amounts are 64-bit: the driver gives them as decimal digits. */
@Entity('usage_request')
export class UsageRequestEntity extends CountedUsage {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text', name: 'request_id' })
  requestId!: string;

  @Column({ type: 'uuid', name: 'key_id' })
  keyId!: string;

  @Column({ type: 'text' })
  organization!: string;

  @Column({ type: 'text' })
  team!: string;

  @Column({ type: 'text', nullable: true })
  project!: string | null;

  @Column({ type: 'text', name: 'requested_model', nullable: true })
  requestedModel!: string | null;

  @Column({ type: 'text', nullable: true })
  provider!: string | null;

  @Column({ type: 'text', nullable: true })
  model!: string | null;

  @Column({ type: 'text', nullable: true })
  level!: Classification | null;

  @Column({ type: 'boolean' })
  stream!: boolean;

  @Column({ type: 'integer' })
  status!: number;

  @Column({ type: 'text', nullable: true })
  code!: string | null;

  @Column({ type: 'text' })
  ending!: UsageEnding;

  @Column({ type: 'text', name: 'finish_reason', nullable: true })
  finishReason!: string | null;

  @Column({ type: 'timestamptz', name: 'started_at' })
  startedAt!: Date;

  @Column({ type: 'double precision', name: 'duration_ms' })
  durationMs!: number;

  @Column({ type: 'double precision', name: 'upstream_ms' })
  upstreamMs!: number;

  @Column({ type: 'double precision', name: 'first_content_ms', nullable: true })
  firstContentMs!: number | null;

  @Column({ type: 'text', name: 'price_version' })
  priceVersion!: string;

  /** When the ledger got it. */
  @CreateDateColumn({ type: 'timestamptz', name: 'recorded_at' })
  recordedAt!: Date;
}
