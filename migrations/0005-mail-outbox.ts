import { MigrationInterface, QueryRunner } from 'typeorm';

export class MailOutbox1700000000005 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE mail_outbox (
        id uuid PRIMARY KEY,
        kind text NOT NULL,
        -- What the composer needs (ids, an address). Never a secret: tokens are derived when the mail is written.
        payload jsonb NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        -- Not before; while a process is sending it, the end of that process' lease.
        due_at timestamptz NOT NULL,
        last_error text,
        -- Set when it was given up; kept for the operator.
        failed_at timestamptz
      )`);
    await db.query(`CREATE INDEX mail_outbox_due ON mail_outbox (due_at) WHERE failed_at IS NULL`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE mail_outbox`);
  }
}
