import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { JWK } from 'jose';

/**
 * `access`: RSA, signs access tokens, published. `opaque`: HMAC-SHA256, signs refresh and one-time tokens, secret.
 * `audit`: RSA, signs the daily seals of the event chain; no verifier of tokens ever hears of it.
 */
export const KEY_USES = ['access', 'opaque', 'audit'] as const;
export type KeyUse = (typeof KEY_USES)[number];

/** What a key's secret is wrapped for. */
export const signingKeyContext = (kid: string): string => `signing-key:${kid}`;

@Entity('signing_keys')
export class SigningKey {
  /** RFC 7638 thumbprint for RSA, a random text for HMAC. */
  @PrimaryColumn('text')
  kid!: string;

  @Column('text')
  use!: KeyUse;

  @Column('text')
  alg!: 'RS256' | 'HS256';

  @Column('jsonb', { name: 'public_jwk', nullable: true })
  publicJwk!: JWK | null;

  /** PKCS #8 (RSA) or the bare key (HMAC), wrapped by the KMS. */
  @Column('bytea', { name: 'wrapped_secret' })
  wrappedSecret!: Buffer;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'activates_at' })
  activatesAt!: Date;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;
}
