import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An API key of a service account. The key itself is stored nowhere. */
@Entity('api_keys')
export class ApiKey {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'user_id' })
  userId!: string;

  @Column('text')
  name!: string;

  /** The first characters, for people to tell keys apart. */
  @Column('text')
  prefix!: string;

  /** SHA-256 of the whole key. Read by the lookup alone. */
  @Column('bytea', { name: 'key_hash', select: false })
  keyHash!: Buffer;

  /** The most that the key allows; see `ApiKeyLookup`. */
  @Column('text', { array: true })
  permissions!: string[];

  /** `user:<id>`, as in events. */
  @Column('text', { name: 'created_by' })
  createdBy!: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  /** Null: it lasts until it is revoked. */
  @Column('timestamptz', { name: 'expires_at', nullable: true })
  expiresAt!: Date | null;

  /** Up to half a minute late; see `ApiKeyUsage`. */
  @Column('timestamptz', { name: 'last_used_at', nullable: true })
  lastUsedAt!: Date | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;
}
