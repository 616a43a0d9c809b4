import { MigrationInterface, QueryRunner } from 'typeorm';

export class ExportsAndWebhooks1700000000013 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await makeExports(db);
    await makeWebhooks(db);
    await db.query(`
      INSERT INTO permissions (name, description) VALUES ('webhook:manage', 'Decide who is told of events by webhook')`);
    await db.query(`INSERT INTO role_permissions (role, permission) VALUES ('admin', 'webhook:manage')`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DELETE FROM permissions WHERE name = 'webhook:manage'`);
    await db.query(
      `DROP TABLE webhook_fan_out, webhook_deliveries, webhooks, audit_export_parts, audit_exports`,
    );
  }
}

async function makeExports(db: QueryRunner): Promise<void> {
  await db.query(`
    CREATE TABLE audit_exports (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      format text NOT NULL CHECK (format IN ('json', 'csv')),
      event_type text,
      start_date timestamptz,
      end_date timestamptz,
      -- How many it will hold, and how many it holds.
      total_events integer NOT NULL,
      written_events integer NOT NULL DEFAULT 0,
      truncated boolean NOT NULL,
      status text NOT NULL CHECK (status IN ('preparing', 'ready', 'failed')),
      -- Which ones, newest first, and of what time: chosen once, whoever writes them. Empty when they are written.
      event_ids uuid[] NOT NULL,
      event_times timestamptz[] NOT NULL,
      -- Of the parts, wrapped by the KMS. Null: its owner is gone, and nobody can open it any more.
      wrapped_data_key bytea,
      parts integer NOT NULL DEFAULT 0,
      -- Whoever writes it, and until when nobody else may.
      writer_id uuid,
      writer_until timestamptz,
      -- How many have taken it on and were not heard of again.
      attempts integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    )`);
  await db.query(`CREATE INDEX audit_exports_preparing ON audit_exports (id) WHERE status = 'preparing'`);
  await db.query(`CREATE INDEX audit_exports_user ON audit_exports (user_id)`);
  await db.query(`CREATE INDEX audit_exports_expiry ON audit_exports (expires_at)`);
  await db.query(`
    CREATE TABLE audit_export_parts (
      export_id uuid NOT NULL REFERENCES audit_exports (id) ON DELETE CASCADE,
      part integer NOT NULL,
      content bytea NOT NULL,
      PRIMARY KEY (export_id, part)
    )`);
}

async function makeWebhooks(db: QueryRunner): Promise<void> {
  await db.query(`
    CREATE TABLE webhooks (
      id uuid PRIMARY KEY,
      url text NOT NULL,
      description text,
      -- Empty: all.
      event_types text[] NOT NULL,
      enabled boolean NOT NULL,
      wrapped_secret bytea NOT NULL,
      -- Signs beside the new one until then.
      wrapped_previous_secret bytea,
      previous_secret_until timestamptz,
      -- Events after this link of the chain.
      since_position bigint NOT NULL,
      -- user:<id>, as in events.
      created_by text NOT NULL,
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL,
      -- Since then it is nobody's, and disabled; the row goes when its deliveries are gone.
      deleted_at timestamptz,
      -- The process that sends, and until when no other may.
      sender_id uuid,
      sender_until timestamptz,
      -- Since when nothing arrives, and when it is worth another try.
      failing_since timestamptz,
      failures integer NOT NULL DEFAULT 0,
      rest_until timestamptz
    )`);
  await db.query(`
    CREATE TABLE webhook_deliveries (
      id uuid PRIMARY KEY,
      webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
      event_id uuid NOT NULL,
      "timestamp" timestamptz NOT NULL,
      event_type text NOT NULL,
      position bigint NOT NULL,
      status text NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
      attempts integer NOT NULL DEFAULT 0,
      due_at timestamptz NOT NULL,
      -- After that it is dead.
      give_up_at timestamptz NOT NULL,
      last_status integer,
      last_error text,
      created_at timestamptz NOT NULL,
      finished_at timestamptz,
      UNIQUE (webhook_id, event_id)
    )`);
  await db.query(
    `CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, due_at) WHERE status = 'pending'`,
  );
  // What is due is sent in the order of the chain; nearly all that waits is due when its receiver is back.
  await db.query(
    `CREATE INDEX webhook_deliveries_order ON webhook_deliveries (webhook_id, position) WHERE status = 'pending'`,
  );
  await db.query(
    `CREATE INDEX webhook_deliveries_list ON webhook_deliveries (webhook_id, status, event_id DESC)`,
  );
  await db.query(
    `CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (status, finished_at) WHERE status <> 'pending'`,
  );
  // The last link of the chain for which deliveries have been made.
  await db.query(`
    CREATE TABLE webhook_fan_out (
      singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
      position bigint NOT NULL,
      day date NOT NULL
    )`);
  await db.query(
    `INSERT INTO webhook_fan_out (position, day) SELECT published_position, '2000-01-01' FROM event_relay`,
  );
}
