import { MigrationInterface, QueryRunner } from 'typeorm';

export class Accounts1700000000001 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE users (
        id uuid PRIMARY KEY,
        email text NOT NULL,
        email_verified_at timestamptz,
        name text NOT NULL,
        phone text,
        timezone text NOT NULL,
        locale text NOT NULL,
        avatar_url text,
        status text NOT NULL
          CHECK (status IN ('pending_verification', 'active', 'suspended', 'deactivated', 'deleted')),
        password_hash text,
        password_changed_at timestamptz,
        -- Grows whenever every session of the user must end; a session remembers the number it was opened under.
        session_epoch integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        last_login_at timestamptz,
        deleted_at timestamptz
      )`);
    // An address belongs to one living account; deletion frees it.
    await db.query(`CREATE UNIQUE INDEX users_live_email ON users (email) WHERE deleted_at IS NULL`);

    await db.query(`
      CREATE TABLE known_devices (
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        -- SHA-256 of what identifies the device.
        device_hash bytea NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        PRIMARY KEY (user_id, device_hash)
      )`);

    await db.query(`
      CREATE TABLE one_time_tokens (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        purpose text NOT NULL CHECK (purpose IN ('email_verification', 'password_reset')),
        -- The address the token was mailed to: it proves that address and no later one.
        email text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
      )`);
    await db.query(`CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id, purpose)`);
    await db.query(`CREATE INDEX one_time_tokens_expiry ON one_time_tokens (expires_at)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE one_time_tokens, known_devices, users`);
  }
}
