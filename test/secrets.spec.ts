import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { newId } from '../src/common/ids';
import { STREAM_KEY } from '../src/infra/events/targets/redis-stream';
import { stepAt, totpCode } from '../src/mfa/totp';
import { Canaries } from './support/canaries';
import { SecretsWorld } from './support/secrets-world';

const ACCOUNTS = '/v1/trading-accounts';
const FAULTS = ['down', 'limited', 'server_error', 'html', 'rubbish', 'endless', 'reset', 'slow'] as const;
const some = (): string => randomBytes(9).toString('base64url');

interface Owner {
  email: string;
  password: string;
  token: string;
  userId: string;
}

describe('Canaries', () => {
  it('are found in every form, wherever in other text they stand', () => {
    const value = 'Sécret/+~&"\\7Q';
    const canaries = new Canaries();
    canaries.add('it', value);
    const forms: [string, string][] = [];
    for (const before of ['', 'a', 'ab', 'abc']) {
      for (const after of ['', 'x', 'xy', 'xyz']) {
        const bytes = Buffer.from(before + value + after);
        forms.push(['plain text', bytes.toString()], ['hexadecimal', bytes.toString('hex').toUpperCase()]);
        forms.push(['base64', bytes.toString('base64')], ['base64url', bytes.toString('base64url')]);
        forms.push(['URL-encoded', encodeURIComponent(bytes.toString())]);
        forms.push(['a form field', new URLSearchParams({ a: bytes.toString() }).toString()]);
        forms.push(['JSON text', JSON.stringify({ a: bytes.toString() })]);
      }
    }
    for (const [form, text] of forms) {
      const found = canaries.findIn('the text', text);
      expect(found.filter((line) => line.startsWith(`it as ${form}`))).not.toEqual([]);
      expect(canaries.findIn('the text', text, ['it'])).toEqual([]);
    }
    expect(canaries.findIn('the text', randomBytes(100_000).toString('base64'))).toEqual([]);
  });

  it.each([32, 64, 256])('are found too where they are a key of %i bytes, whole or torn', (length) => {
    const key = randomBytes(length);
    const canaries = new Canaries();
    canaries.addBytes('it', key);
    const pkcs8 = Buffer.concat([randomBytes(40), key]).toString('base64');
    for (const text of [
      key.toString('latin1'),
      key.toString('hex').toUpperCase(),
      `x${key.toString('base64url')}`,
      pkcs8,
      ...(length > 64 ? [pkcs8.replace(/.{64}/g, '$&\n')] : []),
      JSON.stringify({ key }),
      inspect({ key: key.subarray(0, 50) }),
    ])
      expect(canaries.findIn('the text', text)).not.toEqual([]);
    expect(canaries.findIn('the text', randomBytes(100_000).toString('hex'))).toEqual([]);
  });
});

describe('Secrets', () => {
  let world: SecretsWorld;
  beforeAll(async () => {
    world = await SecretsWorld.make();
  }, 60_000);
  afterAll(() => world.stop(), 60_000);

  const keep = (name: string, value: unknown): string => world.canaries.add(name, String(value));

  it('are nowhere after a run of all use cases of trading accounts, and of their failures', async () => {
    const [owner, member, admin] = await Promise.all([signUp('owner'), signUp('member'), signUp('admin')]);
    await world.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [admin.userId]);
    const backupCodes = await turnOnTotp(owner);

    const active = await link(owner, 'AB0001');
    const pending = await linkInTwoSteps(owner, 'AB0002');
    await refusedLinks(owner);
    await reading(owner, [active, pending], backupCodes);
    await share(owner, member, active);
    const service = await newService(admin);
    await handOff(service, active);
    await rotate(owner, active);
    await faults(owner, service, active);
    await brokenTables(owner, service, active);
    await damaged(owner, service, pending, backupCodes);
    await stage(owner, active);

    // While there are credentials: what comes now destroys them.
    const { master_keys, signing_keys, totp_factors, trading_accounts } = await world.keepKeys();
    expect([master_keys, totp_factors, trading_accounts]).toEqual([1, 1, 2]);
    expect(signing_keys).toBeGreaterThan(1);
    await world.settled();
    const { tables } = await world.extent();
    expect(tables.size).toBeGreaterThan(20);
    const { rows: sets } = await world.db.query<{ id: string }>(`SELECT id FROM trading_credentials`);
    // In force, staged, and the damaged one.
    expect(sets).toHaveLength(3);
    for (const { id } of sets) expect(tables.get('trading_credentials')).toContain(id);
    expect(await world.search()).toEqual([]);

    await endings(owner, [active], backupCodes);
    await world.settled();
    expect(world.canaries.count).toBeGreaterThan(60);
    const { log, keys, replies } = await world.extent();
    expect(log).toBeGreaterThan(10_000);
    expect(keys).toBeGreaterThan(10);
    expect(replies).toBeGreaterThan(60);
    expect(await world.search()).toEqual([]);
  }, 120_000);

  it('of webhooks, and what their URLs hold, are in the replies that show them alone', async () => {
    const { token, userId } = await signUp('subscriber');
    await world.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [userId]);
    const inUrl = keep('URL', some() + some());
    const url = `https://hooks.invalid/events?token=${inUrl}`;
    const ask = (expected: number, method: string, path = '', body?: object, ...carries: string[]) =>
      call(expected, { method, path: `/v1/webhooks${path}`, body, token, carries });
    const keepShown = ({ secret }: Record<string, unknown>): void => {
      const base64 = keep('secret of a webhook', String(secret).slice('whsec_'.length));
      world.canaries.addBytes('secret of a webhook', Buffer.from(base64, 'base64'));
    };
    const made = await ask(201, 'POST', '', { url }, 'URL', 'secret of a webhook');
    keepShown(made);
    const path = `/${(made.webhook as { webhook_id: string }).webhook_id}`;
    keepShown(await ask(200, 'POST', `${path}/rotate-secret`, undefined, 'URL', 'secret of a webhook'));
    await ask(200, 'POST', `${path}/test`);
    await ask(422, 'PATCH', path, { url: url.replace('https', 'http') });
    await ask(200, 'PATCH', path, { url: `${url}&x=1` }, 'URL');
    await ask(200, 'GET', '', undefined, 'URL');
    await ask(200, 'GET', `${path}/deliveries`);
    for (const table of ['webhooks', 'event_outbox']) {
      await world.db.query(`ALTER TABLE ${table} RENAME TO away`);
      await ask(500, 'POST', '', { url });
      await ask(500, 'POST', `${path}/rotate-secret`);
      await world.db.query(`ALTER TABLE away RENAME TO ${table}`);
    }
    await world.db.query(
      `UPDATE webhooks SET wrapped_secret = set_byte(wrapped_secret, 20, 255 - get_byte(wrapped_secret, 20))`,
    );
    await ask(409, 'POST', `${path}/test`);
    await world.settled();
    const isStored = (line: string): boolean => /^URL as .* in table webhooks$/.test(line);
    const found = await world.search();
    expect(found.filter(isStored)).not.toEqual([]);
    expect(found.filter((line) => !isStored(line))).toEqual([]);
    await ask(204, 'DELETE', path);
    await world.settled();
    expect(await world.search()).toEqual([]);
  }, 60_000);

  it('would be found, wherever they were', async () => {
    const planted = keep('planted', `planted${randomBytes(12).toString('hex')}`);
    expect(await world.search()).toEqual([]);
    const inBase64 = Buffer.from(`x${planted}`).toString('base64');

    // In the log and the headers of a reply, by the one header that goes there.
    await world.call({ method: 'GET', path: '/v1/users/me', headers: { 'X-Request-ID': planted } });
    // In a table and the stream, by an event.
    const body = { email: `${some().toLowerCase()}@example.org`, password: `Ganga-1-${some()}` };
    await world.call({ method: 'POST', path: '/v1/auth/login', body, headers: { 'User-Agent': planted } });
    await call(201, {
      method: 'POST',
      path: '/v1/auth/register',
      body: { ...body, name: `Asha ${planted}` },
    });
    await world.settled();
    const mail = { to: body.email, subject: 'x', text: planted, html: '', date: '' };
    await world.redis.lpush('dev:mailbox', JSON.stringify(mail));
    await world.redis.hset('planted:hash', 'field', inBase64);
    await world.redis.set('planted:bytes', Buffer.from(planted));
    await world.redis.set(`planted:${planted}`, '');
    await world.db.query(`CREATE TABLE planted (id int, hidden bytea, document jsonb)`);
    await world.db.query(`INSERT INTO planted VALUES (1, $1, NULL), (2, NULL, $2)`, [
      Buffer.from(inBase64),
      JSON.stringify({ deep: [Buffer.from(planted).toString('hex')] }),
    ]);
    const found = (await world.search()).join('\n');
    for (const place of [
      'the log',
      'the mails',
      'the reply of GET /v1/users/me',
      'table users',
      'table planted',
      'Redis key planted:hash',
      'Redis key planted:bytes',
      `Redis key planted:${planted}`,
      `Redis key ${STREAM_KEY}`,
    ])
      expect(found).toContain(`in ${place}`);
    expect(found).toMatch(/in table event_personal_data_/);
    expect(world.canaries.findIn('/metrics', `metric{label="${planted}"} 1`)).not.toEqual([]);
  }, 60_000);

  async function call(
    expected: number | number[],
    request: Parameters<SecretsWorld['call']>[0],
  ): Promise<Record<string, unknown>> {
    const { status, body } = await world.call(request);
    if (![expected].flat().includes(status))
      throw new Error(`${request.method} ${request.path}: ${status} ${String(body.code)}`);
    return body;
  }

  async function signUp(name: string): Promise<Owner> {
    const email = `${name}-${some().toLowerCase()}@example.org`;
    const password = keep('password', `Ganga ${some()}&42%`);
    const wrong = keep('wrong password', `Jamuna ${some()}&42%`);
    await call(201, { method: 'POST', path: '/v1/auth/register', body: { email, password, name } });
    const [, proof] = /[?&]token=([\w-]+)/.exec(await world.mailTo(email)) ?? [];
    await call(200, { method: 'POST', path: '/v1/auth/email/verify', body: { token: proof } });
    await call(401, { method: 'POST', path: '/v1/auth/login', body: { email, password: wrong } });
    const login = await call(200, {
      method: 'POST',
      path: '/v1/auth/login',
      body: { email, password, token_delivery: 'body' },
      carries: ['refresh token', 'access token of ours'],
    });
    keep('refresh token', login.refresh_token);
    const token = keep('access token of ours', login.access_token);
    return { email, password, token, userId: (login.user as { user_id: string }).user_id };
  }

  async function turnOnTotp({ token }: Owner): Promise<string[]> {
    const setup = await call(200, {
      method: 'POST',
      path: '/v1/mfa/totp/setup',
      body: {},
      token,
      carries: ['TOTP secret'],
    });
    const secret = keep('TOTP secret', setup.secret);
    const enabled = await call(200, {
      method: 'POST',
      path: '/v1/mfa/totp/enable',
      body: { code: totpCode(secret, stepAt(Date.now())) },
      token,
      carries: ['backup code'],
    });
    for (const code of enabled.backup_codes as string[]) keep('backup code', code);
    return enabled.backup_codes as string[];
  }

  async function proof(token: string, backupCodes: string[]): Promise<Record<string, string>> {
    const { verification_token: proved } = await call(200, {
      method: 'POST',
      path: '/v1/mfa/totp/verify',
      body: { code: backupCodes.pop() },
      token,
      carries: ['verification token'],
    });
    return { 'X-Verification-Token': keep('verification token', proved) };
  }

  function newApp(): { api_key: string; api_secret: string } {
    const { apiKey, apiSecret } = world.kite.newApp();
    return { api_key: keep('api_key', apiKey), api_secret: keep('api_secret', apiSecret) };
  }

  const newToken = (app: { api_key: string }, userId: string): string =>
    keep('request_token', world.kite.login(app.api_key, userId));

  function keepSessions(): void {
    for (const { accessToken } of world.kite.sessions()) keep('access_token', accessToken);
  }

  interface Linked {
    id: string;
    app: { api_key: string; api_secret: string };
    kiteUser: string;
  }

  async function link({ token }: Owner, kiteUser: string): Promise<Linked> {
    const app = newApp();
    const body = { broker: 'kite', ...app, request_token: newToken(app, kiteUser), nickname: 'Long term' };
    const headers = { 'Idempotency-Key': keep('idempotency key', some()) };
    const request = { method: 'POST', path: `${ACCOUNTS}/link`, body, token, headers };
    const { trading_account_id: id } = await call(201, request);
    await call([200, 201], request);
    keepSessions();
    return { id: String(id), app, kiteUser };
  }

  async function linkInTwoSteps({ token }: Owner, kiteUser: string): Promise<Linked> {
    const app = newApp();
    const linked = await call(201, {
      method: 'POST',
      path: `${ACCOUNTS}/link`,
      body: { broker: 'kite', ...app },
      token,
      carries: ['api_key'],
    });
    const id = String(linked.trading_account_id);
    const session = { method: 'POST', path: `${ACCOUNTS}/${id}/session`, token };
    const wrong = keep('request_token', `made-up${some()}`);
    await call(422, { ...session, body: { request_token: wrong } });
    await call(200, { method: 'GET', path: `${ACCOUNTS}/${id}`, token, carries: ['api_key'] });
    await call(200, { ...session, body: { request_token: newToken(app, kiteUser) } });
    keepSessions();
    return { id, app, kiteUser };
  }

  async function refusedLinks({ token }: Owner): Promise<void> {
    const app = newApp();
    const request_token = newToken(app, 'AB0003');
    const wrong = keep('wrong api_secret', `wrong${some()}`);
    const request = { method: 'POST', path: `${ACCOUNTS}/link`, token };
    const body = { broker: 'kite', ...app, request_token };
    await call(422, { ...request, body: { ...body, api_secret: wrong } });
    await call(422, { ...request, body: { ...body, api_secret: [keep('wrong api_secret', some())] } });
    await call(422, { ...request, body: { ...body, api_secret: `${keep('wrong api_secret', some())}\n` } });
    await call(422, { ...request, body: { ...body, access_token: keep('access_token', some()) } });
    await call(400, { ...request, body: `{"api_secret": "${keep('wrong api_secret', some())}",` });
    const made_up = keep('access_token', some());
    await call(422, { ...request, body: { broker: 'kite', ...app, access_token: made_up } });
  }

  async function reading({ token }: Owner, linked: Linked[], backupCodes: string[]): Promise<void> {
    await call(200, { method: 'GET', path: ACCOUNTS, token });
    for (const { id } of linked) {
      await call(200, { method: 'GET', path: `${ACCOUNTS}/${id}`, token });
      await call(200, { method: 'GET', path: `${ACCOUNTS}/${id}/status`, token });
      await call(200, { method: 'POST', path: `${ACCOUNTS}/${id}/verify`, body: {}, token });
      const body = { nickname: 'Other', api_secret: keep('wrong api_secret', some()), preferences: { a: 1 } };
      await call(200, { method: 'PATCH', path: `${ACCOUNTS}/${id}`, body, token });
    }
    const all = { method: 'GET', path: `${ACCOUNTS}?include_credentials=true`, token };
    await call(403, all);
    await call(403, { ...all, headers: { 'X-Verification-Token': keep('verification token', some()) } });
    await call(200, {
      ...all,
      headers: await proof(token, backupCodes),
      carries: ['api_key', 'api_secret', 'access_token'],
    });
  }

  async function share({ token }: Owner, member: Owner, { id }: Linked): Promise<void> {
    const members = `${ACCOUNTS}/${id}/members`;
    const body = { email: member.email, permissions: ['view', 'manage'] };
    const { membership_id } = await call(201, { method: 'POST', path: members, body, token });
    await call(200, { method: 'GET', path: `${ACCOUNTS}/${id}`, token: member.token });
    await call(200, { method: 'GET', path: ACCOUNTS, token: member.token });
    const rotation = { method: 'POST', path: `${ACCOUNTS}/${id}/rotate-credentials`, token: member.token };
    await call(403, { ...rotation, body: newApp() });
    await call(204, { method: 'DELETE', path: `${members}/${String(membership_id)}`, token });
  }

  async function newService(admin: Owner): Promise<string> {
    const userId = newId();
    await world.db.query(
      `WITH service AS (
         INSERT INTO users (id, kind, name, timezone, locale, status, created_at, updated_at)
         VALUES ($1, 'service', 'Order router', 'UTC', 'en-US', 'active', now(), now()) RETURNING id
       )
       INSERT INTO user_permissions (id, user_id, permission, granted_by, granted_at)
       SELECT gen_random_uuid(), id, 'trading_credentials:read', 'system', now() FROM service`,
      [userId],
    );
    const { api_key } = await call(201, {
      method: 'POST',
      path: `/v1/users/${userId}/api-keys`,
      body: { name: 'router', permissions: ['trading_credentials:read'] },
      token: admin.token,
      carries: ['API key'],
    });
    return keep('API key', api_key);
  }

  const handOffOf = (apiKey: string, id: string) => ({
    method: 'POST',
    path: `/v1/internal/trading-accounts/${id}/credentials`,
    body: { reason: 'place order' },
    apiKey,
  });

  async function handOff(apiKey: string, { id }: Linked): Promise<void> {
    const request = handOffOf(apiKey, id);
    await call(200, { ...request, carries: ['api_key', 'access_token'] });
    await call(403, { ...request, headers: { Origin: 'https://app.example' } });
    await call(404, handOffOf(apiKey, newId()));
    await call(422, { ...request, body: { reason: '' } });
    await call(401, {
      ...request,
      apiKey: keep('wrong API key', `us_live_${randomBytes(19).toString('hex')}`),
    });
  }

  async function rotate({ token }: Owner, { id, kiteUser }: Linked): Promise<void> {
    const request = { method: 'POST', path: `${ACCOUNTS}/${id}/rotate-credentials`, token };
    const session = { method: 'POST', path: `${ACCOUNTS}/${id}/session`, token };
    const [wrong, right] = [newApp(), newApp()];
    const body = { ...wrong, api_secret: keep('wrong api_secret', some() + some()) };
    await call(422, { ...request, body: { ...body, request_token: newToken(wrong, kiteUser) } });
    await call(200, { ...request, body: right, carries: ['api_key'] });
    await call(409, { ...session, body: { request_token: newToken(right, 'AB0009') } });
    await call(200, { ...session, body: { request_token: newToken(right, kiteUser) } });
    keepSessions();
  }

  async function faults({ token }: Owner, apiKey: string, { id }: Linked): Promise<void> {
    for (const fault of FAULTS) {
      world.kite.fault(fault);
      const app = newApp();
      const failing = { method: 'POST', token };
      const body = { broker: 'kite', ...app, request_token: newToken(app, 'AB0004') };
      const rotation = { ...app, request_token: newToken(app, 'AB0001') };
      await Promise.all([
        call([502, 503], { ...failing, path: `${ACCOUNTS}/link`, body }),
        call([502, 503], { ...failing, path: `${ACCOUNTS}/${id}/verify`, body: {} }),
      ]);
      await call([502, 503], { ...failing, path: `${ACCOUNTS}/${id}/rotate-credentials`, body: rotation });
      keepSessions();
    }
    world.kite.fault('none');
    await call(200, { ...handOffOf(apiKey, id), carries: ['api_key', 'access_token'] });
  }

  /** Errors of PostgreSQL, which know what was to be written. */
  async function brokenTables({ token }: Owner, apiKey: string, { id }: Linked): Promise<void> {
    const app = newApp();
    for (const table of ['trading_credentials', 'event_outbox']) {
      await world.db.query(`ALTER TABLE ${table} RENAME TO away`);
      const body = { broker: 'kite', ...app, request_token: newToken(app, 'AB0005') };
      await call(500, { method: 'POST', path: `${ACCOUNTS}/link`, body, token });
      await call(500, handOffOf(apiKey, id));
      await world.db.query(`ALTER TABLE away RENAME TO ${table}`);
    }
  }

  async function damaged(
    { token }: Owner,
    apiKey: string,
    { id, app, kiteUser }: Linked,
    backupCodes: string[],
  ): Promise<void> {
    await world.db.query(
      `UPDATE trading_credentials SET access_token = set_byte(access_token, 20, 255 - get_byte(access_token, 20)),
         api_secret = set_byte(api_secret, 20, 255 - get_byte(api_secret, 20))
       WHERE trading_account_id = $1`,
      [id],
    );
    await call(409, handOffOf(apiKey, id));
    await call(409, {
      method: 'POST',
      path: `${ACCOUNTS}/${id}/session`,
      body: { request_token: newToken(app, kiteUser) },
      token,
    });
    await call(200, {
      method: 'GET',
      path: `${ACCOUNTS}?include_credentials=true`,
      token,
      headers: await proof(token, backupCodes),
      carries: ['api_key', 'api_secret', 'access_token'],
    });
  }

  async function stage({ token }: Owner, { id }: Linked): Promise<void> {
    const rotation = { method: 'POST', path: `${ACCOUNTS}/${id}/rotate-credentials`, token };
    await call(200, { ...rotation, body: newApp(), carries: ['api_key'] });
  }

  async function endings({ token }: Owner, linked: Linked[], backupCodes: string[]): Promise<void> {
    for (const { id } of linked) await call(200, { method: 'DELETE', path: `${ACCOUNTS}/${id}`, token });
    await call(200, {
      method: 'DELETE',
      path: '/v1/users/me',
      body: {},
      token,
      headers: await proof(token, backupCodes),
    });
  }
});
