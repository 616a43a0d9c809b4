import type { Response, Test } from 'supertest';
import { newId } from '../../src/common/ids';
import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { AfterReply } from '../../src/trading-accounts/logins/after-reply.service';
import { CredentialSets, CredentialState } from '../../src/trading-accounts/vault/credential-sets';
import { Credentials, CredentialsVault } from '../../src/trading-accounts/vault/credentials-vault.service';
import { TestService } from './app';
import { SignedIn } from './people';
import { WHOLE_EVENTS } from './whole-events';

/** What tests of linking, logging in, rotating and unlinking have in common. */

export type App = ReturnType<KiteSandbox['newApp']>;

export const LINK = '/v1/trading-accounts/link';
export const UNKNOWN_TOKEN = 'nobodyhasgiventhisrequesttoken00';

export const linkBody = ({ apiKey, apiSecret }: App, more: object = {}): object => ({
  broker: 'kite',
  api_key: apiKey,
  api_secret: apiSecret,
  ...more,
});

/** The operations on accounts, as one person makes them. */
export class Trader {
  constructor(
    private readonly service: TestService,
    readonly person: SignedIn,
  ) {}

  link(app: App, more: object = {}, idempotencyKey?: string): Test {
    const call = this.post(LINK, linkBody(app, more));
    return idempotencyKey === undefined ? call : call.set('Idempotency-Key', idempotencyKey);
  }

  logIn(accountId: string, requestToken: string, more: object = {}): Test {
    return this.post(`${path(accountId)}/session`, { request_token: requestToken, ...more });
  }

  rotate(accountId: string, { apiKey, apiSecret }: App, more: object = {}): Test {
    return this.post(`${path(accountId)}/rotate-credentials`, {
      api_key: apiKey,
      api_secret: apiSecret,
      ...more,
    });
  }

  verify(accountId: string): Test {
    return this.post(`${path(accountId)}/verify`, {});
  }

  unlink(accountId: string): Test {
    return this.service.client().delete(path(accountId), this.person.accessToken);
  }

  private post(url: string, body: object): Test {
    return this.service.client().post(url, body, this.person.accessToken);
  }
}

const path = (accountId: string): string => `/v1/trading-accounts/${accountId}`;

/** Checks a refusal that names the account that is there. */
export async function expectExists(test: Test, accountId: string): Promise<Response> {
  const reply = await test;
  expect([reply.status, reply.body.code, reply.body.trading_account_id]).toEqual([
    409,
    'trading_account_exists',
    accountId,
  ]);
  return reply;
}

export type Row = Record<string, unknown>;

/** Everything that is stored of somebody's accounts. */
export async function rowsOf(service: TestService, userId: string): Promise<Record<string, Row[]>> {
  const of = (table: string, id: string): Promise<Row[]> =>
    service.db.query<Row[]>(
      `SELECT * FROM ${table} WHERE ${id} IN (SELECT id FROM trading_accounts WHERE user_id = $1) ORDER BY id`,
      [userId],
    );
  return {
    accounts: await of('trading_accounts', 'id'),
    credentials: await of('trading_credentials', 'trading_account_id'),
    members: await of('trading_account_members', 'trading_account_id'),
  };
}

export async function rowOf(service: TestService, accountId: string): Promise<Row> {
  const [row] = await service.db.query<Row[]>('SELECT * FROM trading_accounts WHERE id = $1', [accountId]);
  return row!;
}

/** What is stored, decrypted. */
export async function credentialsOf(
  service: TestService,
  accountId: string,
  state: CredentialState = 'current',
): Promise<Credentials | null> {
  const stored = await service.app.get(CredentialSets, { strict: false }).find(accountId, state);
  return stored && service.app.get(CredentialsVault, { strict: false }).open(stored);
}

/** Type, actor, subject and data of what has happened to an account, oldest first. */
export async function historyOf(service: TestService, accountId: string): Promise<Row[]> {
  return service.db.query<Row[]>(
    `SELECT event_type AS type, subject, actor, data FROM ${WHOLE_EVENTS} WHERE resource = $1 ORDER BY "timestamp", event_id`,
    [`trading_account:${accountId}`],
  );
}

export const typesOf = async (service: TestService, accountId: string): Promise<unknown[]> =>
  (await historyOf(service, accountId)).map(({ type }) => type);

/** What lives at Kite, as `api key/user`. */
export const livingAt = (kite: KiteSandbox, ...apps: App[]): string[] =>
  kite
    .sessions()
    .filter(({ apiKey, alive }) => alive && (apps.length === 0 || apps.some((app) => app.apiKey === apiKey)))
    .map(({ apiKey, userId }) => `${apiKey}/${userId}`);

/** Waits for what is tidied up at Kite after replies. */
export const settled = async (...services: TestService[]): Promise<void> => {
  for (const { app } of services) await app.get(AfterReply, { strict: false }).idle();
};

/** Calls of Kite made by `work`. */
export async function callsDuring(kite: KiteSandbox, work: () => Promise<unknown>): Promise<string[]> {
  const before = kite.calls.length;
  await work();
  return kite.calls.slice(before).map(({ method, path: at, status }) => `${method} ${at} ${status}`);
}

/** A membership as sharing leaves it. @returns its id. */
export async function share(
  service: TestService,
  accountId: string,
  userId: string,
  permissions: string[],
): Promise<string> {
  const id = newId();
  await service.db.query(
    `INSERT INTO trading_account_members (id, trading_account_id, user_id, permissions, granted_by, created_at)
     VALUES ($1, $2, $3, $4, 'system', now())`,
    [id, accountId, userId, permissions],
  );
  return id;
}
