import { MigrationInterface, QueryRunner } from 'typeorm';

export class AccountAdministration1700000000008 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE users
        ADD COLUMN kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service')),
        -- When the personal data of a deleted account was erased.
        ADD COLUMN purged_at timestamptz,
        ALTER COLUMN email DROP NOT NULL,
        ADD CONSTRAINT users_person_has_email CHECK (email IS NOT NULL OR kind = 'service' OR purged_at IS NOT NULL),
        ADD CONSTRAINT users_service_has_no_password CHECK (kind = 'person' OR password_hash IS NULL)`);
    // The administrators' list: newest first (ids are ordered by time), by status, by the beginning of an address. The
    // first is told from the primary key by a column that says nothing, see src/users/account-search.ts.
    await db.query(`CREATE INDEX users_live ON users (deleted_at, id DESC) WHERE deleted_at IS NULL`);
    await db.query(`CREATE INDEX users_live_status ON users (status, id) WHERE deleted_at IS NULL`);
    // The same index, in an order that serves LIKE 'asha@%' as well as equality, whatever the database's collation is.
    await db.query(`DROP INDEX users_live_email`);
    await db.query(
      `CREATE UNIQUE INDEX users_live_email ON users (email text_pattern_ops) WHERE deleted_at IS NULL`,
    );
    await db.query(
      `CREATE INDEX users_to_purge ON users (deleted_at, id) WHERE deleted_at IS NOT NULL AND purged_at IS NULL`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX users_to_purge, users_live_email, users_live_status, users_live`);
    await db.query(`CREATE UNIQUE INDEX users_live_email ON users (email) WHERE deleted_at IS NULL`);
    // What the tables before this step can't hold.
    await db.query(`DELETE FROM users WHERE email IS NULL`);
    await db.query(`
      ALTER TABLE users
        DROP CONSTRAINT users_service_has_no_password,
        DROP CONSTRAINT users_person_has_email,
        ALTER COLUMN email SET NOT NULL,
        DROP COLUMN purged_at,
        DROP COLUMN kind`);
  }
}
