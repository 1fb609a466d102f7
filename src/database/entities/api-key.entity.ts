import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { Classification } from '../../domain/classification.js';
import type { BudgetWindow } from '../../domain/principal.js';
import { TeamEntity } from './team.entity.js';

/** A key as the database holds it: never the key itself, only its hash and what may be shown of it. */
@Entity('api_key')
export class ApiKeyEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  /** HMAC-SHA-256 of the key, lower-case hex. */
  @Column({ type: 'text', name: 'key_hash', unique: true })
  keyHash!: string;

  @Column({ type: 'text', name: 'key_prefix' })
  keyPrefix!: string;

  @ManyToOne(() => TeamEntity, { nullable: false })
  @JoinColumn({ name: 'team_id' })
  team!: TeamEntity;

  @Column({ type: 'text', name: 'user_name', nullable: true })
  userName!: string | null;

  @Column({ type: 'text' })
  name!: string;

  /** Expiry is a fact of `expiresAt` and the clock; nobody has to write it down. */
  @Column({ type: 'text' })
  status!: 'active' | 'revoked';

  @Column({ type: 'text', name: 'default_classification' })
  defaultClassification!: Classification;

  @Column({ type: 'text', name: 'max_classification' })
  maxClassification!: Classification;

  /** Null = every alias; empty = none. */
  @Column({ type: 'text', array: true, name: 'allowed_models', nullable: true })
  allowedModels!: string[] | null;

  @Column({ type: 'integer', name: 'rpm_limit', nullable: true })
  rpmLimit!: number | null;

  @Column({ type: 'integer', name: 'tpm_limit', nullable: true })
  tpmLimit!: number | null;

  @Column({ type: 'integer', name: 'max_parallel_requests', nullable: true })
  maxParallelRequests!: number | null;

  /** Nano-USD (10^-9 USD) as decimal digits: the driver gives 64-bit integers as text. */
  @Column({ type: 'bigint', name: 'budget_nano_usd', nullable: true })
  budgetNanoUsd!: string | null;

  @Column({ type: 'text', name: 'budget_window', nullable: true })
  budgetWindow!: BudgetWindow | null;

  @Column({ type: 'boolean', name: 'may_explain' })
  mayExplain!: boolean;

  @Column({ type: 'timestamptz', name: 'created_at' })
  createdAt!: Date;

  /** When anything a cache may hold changed; `lastUsedAt` is not such a thing. By the database's clock. */
  @Column({ type: 'timestamptz', name: 'changed_at' })
  changedAt!: Date;

  @Column({ type: 'timestamptz', name: 'expires_at', nullable: true })
  expiresAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'last_used_at', nullable: true })
  lastUsedAt!: Date | null;

  @Column({ type: 'timestamptz', name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;

  @Column({ type: 'text', name: 'revoked_reason', nullable: true })
  revokedReason!: string | null;
}
