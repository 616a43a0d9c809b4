import type { Test } from 'supertest';
import { PermissionCache } from '../../src/authz/permission-cache';
import { newId } from '../../src/common/ids';
import { TestService } from './app';
import { SignedIn } from './people';

/** A key as the one who asked for it got it. */
export interface NewKey {
  apiKey: string;
  keyId: string;
}

/** A service account that holds these permissions directly. @returns its id. */
export async function newServiceAccount(service: TestService, ...permissions: string[]): Promise<string> {
  const userId = newId();
  await service.db.query(
    `INSERT INTO users (id, kind, name, timezone, locale, status, created_at, updated_at)
     VALUES ($1, 'service', 'Order router', 'UTC', 'en-US', 'active', now(), now())`,
    [userId],
  );
  for (const permission of permissions) await give(service, userId, permission);
  return userId;
}

export const give = (service: TestService, userId: string, permission: string): Promise<unknown> =>
  changeHoldings(
    service,
    userId,
    `INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
     VALUES (gen_random_uuid(), $1, $2, 'system', now())`,
    permission,
  );

export const take = (service: TestService, userId: string, permission: string): Promise<unknown> =>
  changeHoldings(
    service,
    userId,
    `DELETE FROM user_permissions WHERE user_id = $1 AND permission = $2`,
    permission,
  );

async function changeHoldings(
  service: TestService,
  userId: string,
  sql: string,
  permission: string,
): Promise<void> {
  await service.app
    .get(PermissionCache)
    .whileChanging(userId, () => service.db.query(sql, [userId, permission]));
}

export const keysOf = (userId: string): string => `/v1/users/${userId}/api-keys`;

/** Has somebody make a key. */
export async function newKey(
  service: TestService,
  by: SignedIn,
  userId: string,
  permissions: string[],
  more: object = {},
): Promise<NewKey> {
  const { body } = await service
    .client()
    .post(keysOf(userId), { name: 'production', permissions, ...more }, by.accessToken)
    .expect(201);
  return { apiKey: body.api_key, keyId: body.key.key_id };
}

/** Sends a request with a key. */
export const withKey = (test: Test, apiKey: string): Test => test.set('X-API-Key', apiKey);
