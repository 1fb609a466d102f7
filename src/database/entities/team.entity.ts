import { Column, CreateDateColumn, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
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

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt!: Date;
}
