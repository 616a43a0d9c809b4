import { MigrationInterface, QueryRunner } from 'typeorm';

export class Roles1700000000002 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE roles (
        name text PRIMARY KEY,
        -- A role has what its parent has, and its own.
        parent text REFERENCES roles (name),
        description text NOT NULL
      )`);
    await db.query(`
      CREATE TABLE permissions (
        name text PRIMARY KEY CHECK (name ~ '^[a-z_]+:[a-z_]+$'),
        description text NOT NULL
      )`);
    await db.query(`
      CREATE TABLE role_permissions (
        role text NOT NULL REFERENCES roles (name) ON DELETE CASCADE,
        permission text NOT NULL REFERENCES permissions (name) ON DELETE CASCADE,
        PRIMARY KEY (role, permission)
      )`);
    await db.query(`
      CREATE TABLE user_roles (
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        role text NOT NULL REFERENCES roles (name),
        granted_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, role)
      )`);
    await db.query(`CREATE INDEX user_roles_role ON user_roles (role)`);

    await db.query(`
      INSERT INTO roles (name, parent, description) VALUES
        ('viewer', NULL, 'Sees what is shared with them'),
        ('trader', 'viewer', 'Links and trades accounts of their own'),
        ('admin', 'trader', 'Runs the platform')`);
    await db.query(`
      INSERT INTO permissions (name, description) VALUES
        ('trading_account:view', 'See trading accounts'),
        ('trading_account:link', 'Link trading accounts'),
        ('trading_account:trade', 'Trade on own trading accounts'),
        ('user:read', 'See every user'),
        ('user:write', 'Create, change and suspend users'),
        ('authz:check', 'Check the permissions of others'),
        ('authz:grant', 'Grant and revoke permissions and roles'),
        ('audit:read', 'Read the audit events of others')`);
    await db.query(`
      INSERT INTO role_permissions (role, permission) VALUES
        ('viewer', 'trading_account:view'),
        ('trader', 'trading_account:link'),
        ('trader', 'trading_account:trade'),
        ('admin', 'user:read'),
        ('admin', 'user:write'),
        ('admin', 'authz:check'),
        ('admin', 'authz:grant'),
        ('admin', 'audit:read')`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE user_roles, role_permissions, permissions, roles`);
  }
}
