import { MigrationInterface, QueryRunner } from 'typeorm';

export class SecondFactor1700000000006 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    // Beside the factor itself, so that every sign-in can be refused by one condition on the row it changes anyway.
    await db.query(`ALTER TABLE users ADD COLUMN mfa_enabled boolean NOT NULL DEFAULT false`);
    await db.query(`
      CREATE TABLE totp_factors (
        user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
        -- Wrapped by the master key.
        wrapped_secret bytea NOT NULL,
        -- Number of the newest time step whose code was accepted: neither it nor an older one is, ever again.
        last_step bigint NOT NULL,
        enabled_at timestamptz NOT NULL
      )`);
    await db.query(`
      CREATE TABLE mfa_backup_codes (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        code_hash bytea NOT NULL,
        created_at timestamptz NOT NULL,
        used_at timestamptz,
        UNIQUE (user_id, code_hash)
      )`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE mfa_backup_codes, totp_factors`);
    await db.query(`ALTER TABLE users DROP COLUMN mfa_enabled`);
  }
}
