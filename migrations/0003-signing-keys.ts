import { MigrationInterface, QueryRunner } from 'typeorm';

export class SigningKeys1700000000003 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE signing_keys (
        kid text PRIMARY KEY,
        -- 'access': RSA, for access tokens, published. 'opaque': HMAC, for refresh and one-time tokens, secret.
        use text NOT NULL CHECK (use IN ('access', 'opaque')),
        alg text NOT NULL,
        public_jwk jsonb,
        wrapped_secret bytea NOT NULL,
        created_at timestamptz NOT NULL,
        -- From then on it signs, until the next key of the same use does.
        activates_at timestamptz NOT NULL,
        -- Set to take a key out at once, whatever still carries its signature.
        revoked_at timestamptz
      )`);
    await db.query(`CREATE INDEX signing_keys_use ON signing_keys (use, activates_at)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE signing_keys`);
  }
}
