import { MigrationInterface, QueryRunner } from 'typeorm';

export class TradingAccounts1700000000011 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE trading_accounts (
        id uuid PRIMARY KEY,
        -- The owner.
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        broker text NOT NULL,
        -- As the broker names them; null until a login has proved it.
        broker_user_id text,
        nickname text,
        preferences jsonb NOT NULL DEFAULT '{}',
        status text NOT NULL
          CHECK (status IN ('pending_login', 'active', 'session_expired', 'invalid', 'unlinked')),
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        -- When a login first proved it.
        linked_at timestamptz,
        last_verified_at timestamptz,
        -- A hint for people; the broker's refusal is the truth.
        session_expires_at timestamptz,
        unlinked_at timestamptz,
        -- Under the master key. The fields of trading_credentials are under it.
        wrapped_data_key bytea,
        -- SHA-256 of the API key it was linked with: of one that waits for its login there is one account.
        api_key_hash bytea,
        -- A call to the broker that is in hand, which no other may overtake, and when it is given up for dead.
        turn_id uuid,
        turn_ends_at timestamptz,
        -- Of the request that made the link, so that it can be repeated.
        idempotency_key_hash bytea,
        idempotent_request_hash bytea,
        CONSTRAINT trading_accounts_unlinked_has_no_key
          CHECK (status <> 'unlinked' OR (wrapped_data_key IS NULL AND unlinked_at IS NOT NULL)),
        -- What was damaged before its first login is invalid and not proved.
        CONSTRAINT trading_accounts_proved
          CHECK (status IN ('pending_login', 'invalid', 'unlinked') OR broker_user_id IS NOT NULL)
      )`);
    await db.query(`
      CREATE UNIQUE INDEX trading_accounts_broker_user ON trading_accounts (user_id, broker, broker_user_id)
      WHERE status <> 'unlinked'`);
    await db.query(`
      CREATE UNIQUE INDEX trading_accounts_pending ON trading_accounts (user_id, broker, api_key_hash)
      WHERE status = 'pending_login'`);
    await db.query(`
      CREATE UNIQUE INDEX trading_accounts_idempotency ON trading_accounts (user_id, idempotency_key_hash)
      WHERE status <> 'unlinked'`);
    await db.query(`CREATE INDEX trading_accounts_user ON trading_accounts (user_id, id DESC)`);
    await db.query(
      `CREATE INDEX trading_accounts_session_end ON trading_accounts (session_expires_at, id) WHERE status = 'active'`,
    );
    await db.query(`
      CREATE TABLE trading_credentials (
        id uuid PRIMARY KEY,
        trading_account_id uuid NOT NULL REFERENCES trading_accounts (id) ON DELETE CASCADE,
        -- Staged ones wait for the login that proves them; until then the current ones stay in force.
        state text NOT NULL CHECK (state IN ('staged', 'current')),
        -- AES-256-GCM under the account's data key.
        api_key bytea NOT NULL,
        api_secret bytea NOT NULL,
        access_token bytea,
        api_key_masked text NOT NULL,
        created_at timestamptz NOT NULL,
        -- When it was found that this is not what was stored: recorded once.
        damaged_at timestamptz,
        UNIQUE (trading_account_id, state)
      )`);
    await db.query(`
      CREATE TABLE trading_account_members (
        id uuid PRIMARY KEY,
        trading_account_id uuid NOT NULL REFERENCES trading_accounts (id) ON DELETE CASCADE,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        permissions text[] NOT NULL
          CHECK (permissions <@ ARRAY['view', 'trade', 'manage'] AND 'view' = ANY (permissions)),
        -- The membership of whoever gave it; null: the owner did. It ends with that one.
        granted_under uuid REFERENCES trading_account_members (id) ON DELETE CASCADE,
        -- user:<id>, as in events.
        granted_by text NOT NULL,
        created_at timestamptz NOT NULL,
        -- Null: until it is revoked.
        expires_at timestamptz,
        UNIQUE (trading_account_id, user_id)
      )`);
    await db.query(`CREATE INDEX trading_account_members_user ON trading_account_members (user_id)`);
    await db.query(
      `CREATE INDEX trading_account_members_granted_under ON trading_account_members (granted_under)`,
    );
    await db.query(`
      INSERT INTO permissions (name, description) VALUES
        ('trading_account:manage', 'Rename own trading accounts and decide who shares them'),
        ('trading_credentials:read', 'Read the broker credentials of trading accounts, with an API key')`);
    await db.query(`
      INSERT INTO role_permissions (role, permission) VALUES
        ('trader', 'trading_account:manage'),
        ('admin', 'trading_credentials:read')`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      `DELETE FROM permissions WHERE name IN ('trading_account:manage', 'trading_credentials:read')`,
    );
    await db.query(`DROP TABLE trading_account_members, trading_credentials, trading_accounts`);
  }
}
