import { MigrationInterface, QueryRunner } from 'typeorm';

export class ApiKeys1700000000010 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE api_keys (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        name text NOT NULL,
        -- The first characters, for people to tell keys apart.
        prefix text NOT NULL,
        -- SHA-256 of the whole key: it has 190 random bits, so nothing slower is needed.
        key_hash bytea NOT NULL UNIQUE,
        permissions text[] NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz
      )`);
    await db.query(`CREATE INDEX api_keys_user ON api_keys (user_id, id DESC)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE api_keys`);
  }
}
