import { Column, CreateDateColumn, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { BudgetWindow } from '../../domain/principal.js';
import { OrganizationEntity } from './organization.entity.js';

@Entity('team')
export class TeamEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  /** One way: the other side of a relation would make the two files import each other. */
  @ManyToOne(() => OrganizationEntity, { nullable: false })
  @JoinColumn({ name: 'organization_id' })
  organization!: OrganizationEntity;

  /** Unique within its organization. */
  @Column({ type: 'text' })
  name!: string;

  /** Nano-USD (10^-9 USD) as decimal digits; null = unlimited. */
  @Column({ type: 'bigint', name: 'budget_nano_usd', nullable: true })
  budgetNanoUsd!: string | null;

  @Column({ type: 'text', name: 'budget_window', nullable: true })
  budgetWindow!: BudgetWindow | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt!: Date;
}
