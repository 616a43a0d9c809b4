import { Column, Entity, PrimaryColumn } from 'typeorm';

export type UserStatus = 'pending_verification' | 'active' | 'suspended' | 'deactivated' | 'deleted';

/** A person's account. */
@Entity('users')
export class User {
  @PrimaryColumn('uuid')
  id!: string;

  /** In normal form, see `normaliseEmail`. */
  @Column('text')
  email!: string;

  @Column('timestamptz', { name: 'email_verified_at', nullable: true })
  emailVerifiedAt!: Date | null;

  @Column('text')
  name!: string;

  /** E.164. */
  @Column('text', { nullable: true })
  phone!: string | null;

  /** IANA name. */
  @Column('text')
  timezone!: string;

  /** BCP 47 tag. */
  @Column('text')
  locale!: string;

  @Column('text', { name: 'avatar_url', nullable: true })
  avatarUrl!: string | null;

  @Column('text')
  status!: UserStatus;

  /** bcrypt or argon2id, in its own encoding. Null: no password. */
  @Column('text', { name: 'password_hash', nullable: true })
  passwordHash!: string | null;

  @Column('timestamptz', { name: 'password_changed_at', nullable: true })
  passwordChangedAt!: Date | null;

  /** Grows whenever every session must end; see `EndSessions`. */
  @Column('integer', { name: 'session_epoch', default: 0 })
  sessionEpoch!: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;

  @Column('timestamptz', { name: 'last_login_at', nullable: true })
  lastLoginAt!: Date | null;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt!: Date | null;
}
