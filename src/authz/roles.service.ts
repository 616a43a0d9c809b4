import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Events } from '../infra/events/events';

const INCLUDED = `
  WITH RECURSIVE included (role) AS (
    SELECT name FROM roles WHERE name = ANY($1)
    UNION
    SELECT roles.parent FROM included JOIN roles ON roles.name = included.role WHERE roles.parent IS NOT NULL
  )`;

/** Knows, gives and takes roles. It judges nobody: see `AssignRoles` for what people may do. */
@Injectable()
export class Roles {
  constructor(private readonly events: Events) {}

  /** Those of these roles that exist, and every role that they include. */
  async included(tx: EntityManager, roles: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await tx.query<{ role: string }[]>(`${INCLUDED} SELECT role FROM included`, [roles]);
    return new Set(rows.map(({ role }) => role));
  }

  /** What these roles have, and those that they include. */
  async permissionsOf(tx: EntityManager, roles: readonly string[]): Promise<string[]> {
    const rows = await tx.query<{ permission: string }[]>(
      `${INCLUDED} SELECT DISTINCT permission FROM role_permissions JOIN included USING (role)`,
      [roles],
    );
    return rows.map(({ permission }) => permission);
  }

  /** As assigned to a user, by name. */
  async of(tx: EntityManager, userId: string): Promise<string[]> {
    const rows = await tx.query<{ role: string }[]>(
      `SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role`,
      [userId],
    );
    return rows.map(({ role }) => role);
  }

  /** Gives a role that exists; having it already is no error, and no event. */
  async assign(tx: EntityManager, caller: Caller, userId: string, role: string): Promise<void> {
    const rows = await tx.query<unknown[]>(
      `INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING role`,
      [userId, role],
    );
    if (rows.length > 0) await this.record(tx, caller, userId, 'role.assigned', role);
  }

  /** Takes a role; not having it is no error, and no event. */
  async remove(tx: EntityManager, caller: Caller, userId: string, role: string): Promise<void> {
    const [, count] = await tx.query<[unknown[], number]>(
      `DELETE FROM user_roles WHERE user_id = $1 AND role = $2`,
      [userId, role],
    );
    if (count > 0) await this.record(tx, caller, userId, 'role.removed', role);
  }

  private async record(
    tx: EntityManager,
    caller: Caller,
    userId: string,
    type: 'role.assigned' | 'role.removed',
    role: string,
  ): Promise<void> {
    await this.events.record(tx, caller, { type, subject: `user:${userId}`, data: { role } });
  }
}
