import { randomUUID } from 'node:crypto';
import { Instance } from './instance';
import type { Watch } from './watch';

const ACCOUNTS = 4;
const PERMISSION = 'trading_credentials:read';

/**
 * Links trading accounts, and makes a service that may read their credentials.
 * @returns reads those of one of them. @throws Error where any of it fails.
 */
export async function newHandOffs(watch: Watch): Promise<(instance: Instance) => Promise<void>> {
  const { world, witness, cast } = watch;
  const [instance] = world.instances;
  const post = async (path: string, token: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await witness.ask(instance, { method: 'POST', path, token, body });
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status} ${answer.code}`);
    return answer.body;
  };
  const prove = (userId: string): Promise<unknown> =>
    world.db.query(`UPDATE users SET status = 'active', email_verified_at = now() WHERE id = $1`, [userId]);

  const accounts: { id: string; apiKey: string }[] = [];
  const owner = await cast.people.enrol();
  await prove(owner.userId);
  for (let i = 0; i < ACCOUNTS; i++) {
    const { apiKey, apiSecret } = world.kite.newApp();
    const account = await post('/v1/trading-accounts/link', owner.accessToken, {
      broker: 'kite',
      api_key: apiKey,
      api_secret: apiSecret,
      request_token: world.kite.login(apiKey, `HO${randomUUID().slice(0, 4).toUpperCase()}`),
    });
    accounts.push({ id: account.trading_account_id as string, apiKey });
  }

  const administrator = await cast.people.enrol();
  await prove(administrator.userId);
  await world.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [administrator.userId]);
  const service = randomUUID();
  await world.db.query(
    `INSERT INTO users (id, kind, name, timezone, locale, status, created_at, updated_at)
     VALUES ($1, 'service', 'Order router', 'UTC', 'en-US', 'active', now(), now())`,
    [service],
  );
  await world.db.query(
    `INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
     VALUES (gen_random_uuid(), $1, $2, 'system', now())`,
    [service, PERMISSION],
  );
  const again = await cast.people.signIn(instance, administrator.person);
  const made = await post(`/v1/users/${service}/api-keys`, again!.accessToken, {
    name: 'drill',
    permissions: [PERMISSION],
  });
  const headers = { 'x-api-key': made.api_key as string };

  let turn = 0;
  return async (at) => {
    const { id, apiKey } = accounts[turn++ % accounts.length]!;
    const path = `/v1/internal/trading-accounts/${id}/credentials`;
    const answer = await witness.ask(at, { method: 'POST', path, headers, body: { reason: 'drill' } });
    if (answer.wasAbsent) return;
    if (answer.status !== 200 || answer.body.api_key !== apiKey)
      throw new Error(`a hand-off answered ${answer.status} ${answer.code}`);
  };
}
