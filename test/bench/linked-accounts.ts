import { Client } from 'pg';
import { apiKeyHash, apiKeyPrefix, newApiKey } from '../../src/api-keys/api-key-format';
import { newId } from '../../src/common/ids';
import type { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';

/** Accounts at the sandbox, and who reads their credentials. */
export interface LinkedAccounts {
  /** Of one owner each. */
  accountIds: string[];
  /** With `trading_credentials:read`. */
  apiKey: string;
}

/** Links an account for each of these people, and makes a service with a key. */
export async function linkAccounts(
  service: { url: string; databaseUrl: string },
  kite: KiteSandbox,
  members: { accessToken: string }[],
): Promise<LinkedAccounts> {
  const db = new Client(service.databaseUrl);
  await db.connect();
  try {
    await db.query(`UPDATE users SET status = 'active', email_verified_at = now() WHERE kind = 'person'`);
    const apiKey = await newReader(db);
    const accountIds: string[] = [];
    for (const [i, { accessToken }] of members.entries())
      accountIds.push(await link(service.url, kite, accessToken, `AB${String(i).padStart(4, '0')}`));
    return { accountIds, apiKey };
  } finally {
    await db.end();
  }
}

async function newReader(db: Client): Promise<string> {
  const [userId, apiKey] = [newId(), newApiKey()];
  await db.query(
    `INSERT INTO users (id, kind, name, timezone, locale, status, created_at, updated_at)
     VALUES ($1, 'service', 'Order router', 'UTC', 'en-US', 'active', now(), now())`,
    [userId],
  );
  await db.query(
    `INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
     VALUES ($1, $2, 'trading_credentials:read', 'system', now())`,
    [newId(), userId],
  );
  await db.query(
    `INSERT INTO api_keys (id, user_id, name, prefix, key_hash, permissions, created_by, created_at)
     VALUES ($1, $2, 'bench', $3, $4, '{trading_credentials:read}', 'system', now())`,
    [newId(), userId, apiKeyPrefix(apiKey), apiKeyHash(apiKey)],
  );
  return apiKey;
}

async function link(url: string, kite: KiteSandbox, accessToken: string, kiteUser: string): Promise<string> {
  const { apiKey, apiSecret } = kite.newApp();
  const reply = await fetch(`${url}/v1/trading-accounts/link`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${accessToken}` },
    body: JSON.stringify({
      broker: 'kite',
      api_key: apiKey,
      api_secret: apiSecret,
      request_token: kite.login(apiKey, kiteUser),
    }),
  });
  if (!reply.ok) throw new Error(`link: ${reply.status}`);
  return ((await reply.json()) as { trading_account_id: string }).trading_account_id;
}
