import { MigrationInterface, QueryRunner } from 'typeorm';

export class AuthProviders1700000000009 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE auth_providers (
        provider text NOT NULL CHECK (provider IN ('google')),
        -- Claim sub: what the provider knows the person by, whatever their address is.
        subject text NOT NULL,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        linked_at timestamptz NOT NULL,
        PRIMARY KEY (provider, subject),
        UNIQUE (user_id, provider)
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE auth_providers`);
  }
}
