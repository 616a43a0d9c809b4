import { MigrationInterface, QueryRunner } from 'typeorm';

export class Grants1700000000007 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE user_permissions (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        permission text NOT NULL REFERENCES permissions (name) ON DELETE CASCADE,
        -- user:<id>, as in events.
        granted_by text NOT NULL,
        granted_at timestamptz NOT NULL,
        -- Null: until it is revoked.
        expires_at timestamptz,
        UNIQUE (user_id, permission)
      )`);
    // For "who has this role", newest account first.
    await db.query(`DROP INDEX user_roles_role`);
    await db.query(`CREATE INDEX user_roles_role ON user_roles (role, user_id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX user_roles_role`);
    await db.query(`CREATE INDEX user_roles_role ON user_roles (role)`);
    await db.query(`DROP TABLE user_permissions`);
  }
}
