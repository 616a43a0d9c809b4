import { Column, Entity, PrimaryColumn } from 'typeorm';

export type OneTimePurpose = 'email_verification' | 'password_reset';

/** What a mailed link is good for. The token itself is stored nowhere, see `OpaqueTokens`. */
@Entity('one_time_tokens')
export class OneTimeToken {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'user_id' })
  userId!: string;

  @Column('text')
  purpose!: OneTimePurpose;

  @Column('text')
  email!: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'expires_at' })
  expiresAt!: Date;

  @Column('timestamptz', { name: 'used_at', nullable: true })
  usedAt!: Date | null;
}
