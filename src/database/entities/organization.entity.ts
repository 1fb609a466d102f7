import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { BudgetWindow } from '../../domain/principal.js';

@Entity('organization')
export class OrganizationEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text', unique: true })
  name!: string;

  /** Nano-USD (10^-9 USD) as decimal digits; null = unlimited. */
  @Column({ type: 'bigint', name: 'budget_nano_usd', nullable: true })
  budgetNanoUsd!: string | null;

  @Column({ type: 'text', name: 'budget_window', nullable: true })
  budgetWindow!: BudgetWindow | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt!: Date;
}
