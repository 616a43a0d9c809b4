import { Column, Entity, PrimaryColumn } from 'typeorm';

export type UserStatus = 'pending_verification' | 'active' | 'suspended' | 'deactivated' | 'deleted';
/** A person signs in; a service has no password and comes with an API key. */
export type UserKind = 'person' | 'service';

/** The account of a person or of a service. */
@Entity('users')
export class User {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text', { default: 'person' })
  kind!: UserKind;

  /** In normal form, see `normaliseEmail`. Null: a service, or an account whose personal data was erased. */
  @Column('text', { nullable: true })
  email!: string | null;

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

  /** Whether a sign-in needs the second factor. */
  @Column('boolean', { name: 'mfa_enabled', default: false })
  mfaEnabled!: boolean;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;

  @Column('timestamptz', { name: 'last_login_at', nullable: true })
  lastLoginAt!: Date | null;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt!: Date | null;

  /** When the personal data of the deleted account was erased. */
  @Column('timestamptz', { name: 'purged_at', nullable: true })
  purgedAt!: Date | null;
}
