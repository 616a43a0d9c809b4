import type { Test } from 'supertest';
import { AccountPermission } from '../../src/trading-accounts/trading-account';
import { TestService } from './app';
import { register, SignedIn, signIn } from './people';

/** Somebody with a verified address, without waiting for the mail. */
export async function newTrader(service: TestService): Promise<SignedIn> {
  const person = await register(service);
  await service.db.query(`UPDATE users SET status = 'active', email_verified_at = now() WHERE email = $1`, [
    person.email,
  ]);
  return signIn(service, person);
}

export const membersOf = (accountId: string): string => `/v1/trading-accounts/${accountId}/members`;

export const invite = (
  service: TestService,
  by: SignedIn,
  accountId: string,
  whom: SignedIn,
  permissions: AccountPermission[] = ['view'],
  more: object = {},
): Test =>
  service
    .client()
    .post(membersOf(accountId), { email: whom.person.email, permissions, ...more }, by.accessToken);

/** As `invite`. @returns the membership's id. */
export async function addMember(...call: Parameters<typeof invite>): Promise<string> {
  const { body } = await invite(...call).expect(201);
  return body.membership_id;
}

export const removeMember = (
  service: TestService,
  by: SignedIn,
  accountId: string,
  membershipId: string,
): Test => service.client().delete(`${membersOf(accountId)}/${membershipId}`, by.accessToken);

export interface Answer {
  allowed: boolean;
  reason: string;
  cached: boolean;
}

/** What a check about an account says; `about` somebody else where it is given. */
export async function checkAccount(
  service: TestService,
  who: SignedIn,
  permission: string,
  accountId: string,
  about?: string,
): Promise<Answer> {
  const body = { permission, resource: `trading_account:${accountId}`, ...(about && { user_id: about }) };
  const reply = await service.client().post('/v1/authz/check', body, who.accessToken).expect(200);
  return reply.body;
}

/** Which of the three somebody may do with an account, as checks say. */
export async function mayDo(service: TestService, who: SignedIn, accountId: string): Promise<string[]> {
  const allowed: string[] = [];
  for (const action of ['view', 'trade', 'manage']) {
    const { allowed: is } = await checkAccount(service, who, `trading_account:${action}`, accountId);
    if (is) allowed.push(action);
  }
  return allowed;
}

/** The accounts that the access token of somebody names, with the next refresh. */
export async function accountsInToken(service: TestService, who: SignedIn): Promise<string[]> {
  const { body } = await service
    .client()
    .post('/v1/auth/refresh', { refresh_token: who.refreshToken })
    .expect(200);
  who.refreshToken = body.refresh_token;
  const payload = (body.access_token as string).split('.')[1]!;
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { acct_ids: string[] }).acct_ids;
}

/** Who has an account, by SQL: everybody, expired or not. */
export async function memberIds(service: TestService, accountId: string): Promise<string[]> {
  const rows = await service.db.query<{ user_id: string }[]>(
    `SELECT user_id FROM trading_account_members WHERE trading_account_id = $1 ORDER BY id`,
    [accountId],
  );
  return rows.map(({ user_id }) => user_id);
}
