import type { Response, Test } from 'supertest';
import { PermissionCache } from '../../src/authz/permission-cache';
import { eventually, TestService } from './app';
import { eventsPublished } from './events-published';
import { newAdministrator, SignedIn } from './people';

export const GRANTS = '/v1/authz/permissions';

/** A role as an operator would insert it: there is no route for it. */
export async function addRole(
  service: TestService,
  name: string,
  permissions: string[],
  parent: string | null = null,
): Promise<void> {
  await service.db.query(`INSERT INTO roles (name, parent, description) VALUES ($1, $2, '')`, [name, parent]);
  await service.db.query(`INSERT INTO role_permissions (role, permission) SELECT $1, unnest($2::text[])`, [
    name,
    permissions,
  ]);
}

/** What a check says: about the caller, or about somebody else. */
export async function check(
  service: TestService,
  token: string,
  permission: string,
  userId?: string,
): Promise<{ allowed: boolean; reason: string; cached: boolean }> {
  const body = { permission, ...(userId !== undefined && { user_id: userId }) };
  const reply = await service.client().post('/v1/authz/check', body, token).expect(200);
  return reply.body;
}

/** Grants, and answers the id of the grant. */
export async function grant(
  service: TestService,
  by: SignedIn,
  userId: string,
  permission: string,
  expiresAt?: Date,
): Promise<string> {
  const body = { user_id: userId, permission, expires_at: expiresAt?.toISOString() };
  const reply = await service.client().post(GRANTS, body, by.accessToken).expect(201);
  return reply.body.permission_id;
}

export const revoke = (service: TestService, by: SignedIn, permissionId: string): Test =>
  service.client().delete(`${GRANTS}/${permissionId}`, by.accessToken);

export const setRoles = (service: TestService, by: SignedIn, userId: string, roles: unknown): Test =>
  service.client().put(`/v1/users/${userId}/roles`, { roles }, by.accessToken);

export async function rolesOf(service: TestService, userId: string): Promise<string[]> {
  const rows = await service.db.query<{ role: string }[]>(
    `SELECT role FROM user_roles WHERE user_id = $1 ORDER BY role`,
    [userId],
  );
  return rows.map(({ role }) => role);
}

/** Somebody who may do exactly this, by a role of their own. */
export async function newHolder(service: TestService, permissions: string[]): Promise<SignedIn> {
  const role = `test_${Math.random().toString(36).slice(2)}`;
  await addRole(service, role, permissions);
  const holder = await newAdministrator(service, role);
  await service.db.query(`DELETE FROM user_roles WHERE user_id = $1 AND role <> $2`, [holder.userId, role]);
  return holder;
}

/** Waits until so many transactions wait for a lock. */
export async function waitingForLocks(service: TestService, number: number): Promise<void> {
  await eventually(async () => {
    const waiting = await service.db.query<unknown[]>(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return waiting.length === number;
  }, 'a transaction to wait');
}

/** Has a call wait for a row, of a user unless told otherwise, and something else happen before it gets there. */
export async function heldUp(
  service: TestService,
  id: string,
  call: () => Test,
  meanwhile: () => Promise<unknown>,
  table: 'users' | 'trading_accounts' = 'users',
): Promise<Response> {
  const runner = service.db.createQueryRunner();
  try {
    await runner.startTransaction();
    await runner.query(`SELECT FROM ${table} WHERE id = $1 FOR NO KEY UPDATE`, [id]);
    const reply = call().then((it) => it);
    await waitingForLocks(service, 1);
    await meanwhile();
    await runner.commitTransaction();
    return await reply;
  } finally {
    await runner.release();
  }
}

/** A permission held directly until then, as no route would give it to whoever holds nothing. */
export const giveUntil = (
  service: TestService,
  userId: string,
  permission: string,
  end: Date,
): Promise<unknown> =>
  service.app.get(PermissionCache).whileChanging(userId, () =>
    service.db.query(
      `INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at, expires_at)
       VALUES (gen_random_uuid(), $1, $2, 'system', now(), $3)`,
      [userId, permission, end],
    ),
  );

/** Waits until the relay has carried out all that was changed: it clears the cache once more. */
export async function settled(service: TestService): Promise<void> {
  await eventually(() => eventsPublished((sql) => service.db.query(sql)), 'the relay');
}
