import { createHash } from 'node:crypto';
import request from 'supertest';
import { CallBudget } from '../src/embedded/kite-sandbox/call-budget';
import { KiteSandbox, startKiteSandbox } from '../src/embedded/kite-sandbox/kite-sandbox';
import { KiteState } from '../src/embedded/kite-sandbox/kite-state';
import { loginDay } from '../src/embedded/kite-sandbox/login-day';
import { exchange as exchangeBytes, rawRequest } from './support/raw-http';

const MINUTE = 60_000;
const VERSION = { 'X-Kite-Version': '3' };

interface Form {
  api_key: string;
  request_token: string;
  checksum: string;
}

describe('The Kite sandbox', () => {
  let now: number;
  let kite: KiteSandbox;
  let app: { apiKey: string; apiSecret: string };
  beforeEach(async () => {
    // 15:30 in India.
    now = Date.parse('2026-11-23T10:00:00Z');
    kite = await startKiteSandbox({ now: () => now });
    app = kite.newApp();
  });
  afterEach(() => kite.stop());

  const form = (requestToken: string, { apiKey, apiSecret } = app): Form => ({
    api_key: apiKey,
    request_token: requestToken,
    checksum: createHash('sha256').update(`${apiKey}${requestToken}${apiSecret}`).digest('hex'),
  });
  const exchange = (fields: Partial<Form>) =>
    request(kite.url).post('/session/token').set(VERSION).type('form').send(fields);
  const open = async (userId = 'AB1234', of = app): Promise<string> => {
    const { body } = await exchange(form(kite.login(of.apiKey, userId), of)).expect(200);
    return body.data.access_token;
  };
  const profile = (accessToken: string, apiKey = app.apiKey) =>
    request(kite.url)
      .get('/user/profile')
      .set(VERSION)
      .set('Authorization', `token ${apiKey}:${accessToken}`);
  const logout = (accessToken: string, apiKey = app.apiKey) =>
    request(kite.url)
      .delete('/session/token')
      .set(VERSION)
      .query({ api_key: apiKey, access_token: accessToken });
  const tokenError = (message: string) => ({
    status: 'error',
    error_type: 'TokenException',
    message,
    data: null,
  });
  const inputError = (message: string) => ({
    status: 'error',
    error_type: 'InputException',
    message,
    data: null,
  });

  it('makes up the credentials of each app, as Kite’s look', () => {
    const apps = Array.from({ length: 20 }, () => kite.newApp());
    for (const { apiKey, apiSecret } of apps) {
      expect(apiKey).toMatch(/^[a-z0-9]{16}$/);
      expect(apiSecret).toMatch(/^[a-z0-9]{32}$/);
    }
    expect(new Set(apps.flatMap(({ apiKey, apiSecret }) => [apiKey, apiSecret])).size).toBe(40);
  });

  it('exchanges a request token for a session, and says whose', async () => {
    const { body } = await exchange(form(kite.login(app.apiKey, 'AB1234'))).expect(200);
    expect(body).toEqual({
      status: 'success',
      data: expect.objectContaining({
        user_id: 'AB1234',
        api_key: app.apiKey,
        access_token: expect.stringMatching(/^[a-z0-9]{32}$/),
        public_token: expect.stringMatching(/^[a-z0-9]{32}$/),
        refresh_token: '',
        broker: 'ZERODHA',
        login_time: '2026-11-23 15:30:00',
      }),
    });
    const { body: seen } = await profile(body.data.access_token).expect(200);
    expect(seen.data).toMatchObject({ user_id: 'AB1234', user_type: 'individual' });
    expect(seen.data).not.toHaveProperty('access_token');
  });

  it('takes a request token once, from its own app, and for minutes', async () => {
    const used = kite.login(app.apiKey, 'AB1234');
    await exchange(form(used)).expect(200);
    const late = kite.login(app.apiKey, 'AB1234');
    const other = kite.newApp();
    for (const fields of [form(used), form(late, other), form('made-up')]) {
      const { body } = await exchange(fields).expect(403);
      expect(body).toEqual(tokenError('Token is invalid or has expired.'));
    }
    kite.advance(5 * MINUTE);
    await exchange(form(late)).expect(403);
  });

  it('gives one session for a request token, however many ask at once', async () => {
    const fields = form(kite.login(app.apiKey, 'AB1234'));
    const replies = await Promise.all(Array.from({ length: 8 }, () => exchange(fields)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 403)).toHaveLength(7);
  });

  it('refuses a wrong checksum, an unknown app and what is missing', async () => {
    const good = form(kite.login(app.apiKey, 'AB1234'));
    const wrong = { ...good, checksum: form(good.request_token, { ...app, apiSecret: 'x' }).checksum };
    const refused = async (fields: Partial<Form>, message: string) => {
      const { body } = await exchange(fields).expect(400);
      expect(body).toEqual(inputError(message));
    };
    await refused(wrong, 'Invalid `checksum`.');
    await refused({ ...good, checksum: 'ä'.repeat(64) }, 'Invalid `checksum`.');
    await refused({ ...good, api_key: 'x' }, 'Invalid `api_key`.');
    await refused({ ...good, request_token: undefined }, 'Missing `request_token`.');
    await exchange(good).expect(200);
  });

  it('speaks version 3 and forms', async () => {
    const fields = form(kite.login(app.apiKey, 'AB1234'));
    await request(kite.url).post('/session/token').type('form').send(fields).expect(400);
    const { body } = await request(kite.url).post('/session/token').set(VERSION).send(fields).expect(400);
    expect(body.error_type).toBe('InputException');
    await request(kite.url).put('/session/token').set(VERSION).expect(405);
    const { body: unknown } = await request(kite.url).get('/orders').set(VERSION).expect(404);
    expect(unknown.error_type).toBe('GeneralException');
  });

  it('keeps one session for a user in an app: a login replaces the one before', async () => {
    const [first, elsewhere, another] = [
      await open(),
      await open('AB1234', kite.newApp()),
      await open('CD5678'),
    ];
    const second = await open();
    const { body } = await profile(first).expect(403);
    expect(body).toEqual(tokenError('Incorrect `api_key` or `access_token`.'));
    await profile(second).expect(200);
    await profile(another).expect(200);
    expect(kite.sessions().map(({ accessToken, alive }) => [accessToken, alive])).toEqual([
      [first, false],
      [elsewhere, true],
      [another, true],
      [second, true],
    ]);
  });

  it('ends a session on request, once, and only with its own app', async () => {
    const token = await open();
    await logout(token, kite.newApp().apiKey).expect(403);
    const { body } = await logout(token).expect(200);
    expect(body).toEqual({ status: 'success', data: true });
    await logout(token).expect(403);
    await profile(token).expect(403);
  });

  it.each(['', 'token', 'token a', 'Bearer x', 'token a:b:c'])(
    'takes no authorization like %j',
    async (authorization) => {
      const { body } = await request(kite.url)
        .get('/user/profile')
        .set({ ...VERSION, Authorization: authorization })
        .expect(403);
      expect(body.error_type).toBe('TokenException');
    },
  );

  it('ends every session at six in India', async () => {
    const token = await open();
    now = Date.parse('2026-11-24T00:29:59Z');
    await profile(token).expect(200);
    now = Date.parse('2026-11-24T00:30:00Z');
    await profile(token).expect(403);
    const next = await open();
    await profile(next).expect(200);
    kite.expireSessions();
    await profile(next).expect(403);
  });

  it('knows the day of a login on both sides of six', () => {
    const day = (text: string): number => loginDay(Date.parse(text));
    expect(day('2026-11-24T05:59:59.999+05:30')).toBe(day('2026-11-23T06:00:00+05:30'));
    expect(day('2026-11-24T06:00:00+05:30')).toBe(day('2026-11-23T06:00:00+05:30') + 1);
  });

  it('answers ten calls a second for an app, and others go on', async () => {
    const token = await open();
    const other = kite.newApp();
    const others = await open('AB1234', other);
    for (let call = 1; call < 10; call++) await profile(token).expect(200);
    const { body } = await profile(token).expect(429);
    expect(body).toMatchObject({ status: 'error', message: 'Too many requests' });
    await profile(others, other.apiKey).expect(200);
    kite.advance(1001);
    await profile(token).expect(200);
  });

  it('has no limit where it is measured', async () => {
    const fast = await startKiteSandbox({ isLimited: false });
    const replies = await Promise.all(
      Array.from({ length: 30 }, () =>
        request(fast.url).get('/user/profile').set(VERSION).set('Authorization', 'token a:b'),
      ),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([403]));
    await fast.stop();
  });

  it('has calls wait while it is held, and tells how many', async () => {
    const token = await open();
    const gate = kite.hold();
    const call = profile(token).then(({ status }) => status);
    while (gate.held() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(kite.calls.at(-1)).toEqual({ method: 'GET', path: '/user/profile', status: 0 });
    gate.release();
    expect(await call).toBe(200);
    expect(kite.calls.at(-1)).toEqual({ method: 'GET', path: '/user/profile', status: 200 });
  });

  it('never tells a token in its list of calls', async () => {
    const token = await open();
    await logout(token).expect(200);
    expect(JSON.stringify(kite.calls)).not.toContain(token);
  });

  it('forgets sessions that are over, and old request tokens, before they are too many', () => {
    const state = new KiteState(() => now);
    for (let login = 0; login < 2_500; login++) {
      state.begin('app', state.newRequestToken('app', login % 2 ? 'AB1234' : `CD${login % 20}`));
      now += 1;
    }
    expect(state.sessions().length).toBeLessThanOrEqual(1_000);
    expect(state.sessions().filter(({ alive }) => alive)).toHaveLength(11);
    const old = state.newRequestToken('app', 'AB1234');
    now += 5 * 60_000;
    state.newRequestToken('app', 'AB1234');
    expect(() => state.begin('app', old)).toThrow('expired');
  });

  it('counts the calls of many apps, made-up ones too', () => {
    const budget = new CallBudget(() => now, true);
    for (let app = 0; app < 3_000; app++) {
      expect(budget.spend(`app${app}`)).toBe(true);
      now += 1;
    }
    for (let call = 0; call < 10; call++) expect(budget.spend('one')).toBe(true);
    expect(budget.spend('one')).toBe(false);
  });

  it('can do what it is asked for and lose the answer', async () => {
    kite.fault('reset');
    await expect(exchange(form(kite.login(app.apiKey, 'AB1234')))).rejects.toThrow(/ECONNRESET|hang up/);
    kite.fault('none');
    expect(kite.sessions()).toHaveLength(1);
  });

  it('goes on where it was after a restart', async () => {
    let kept: string | undefined;
    const before = await startKiteSandbox({ onChange: (state) => (kept = JSON.stringify(state)) });
    const its = before.newApp();
    const mine = before.login(its.apiKey, 'AB1234');
    await request(before.url)
      .post('/session/token')
      .set(VERSION)
      .type('form')
      .send(form(mine, its))
      .expect(200);
    const [{ accessToken } = { accessToken: '' }] = before.sessions();
    await before.stop();
    const after = await startKiteSandbox({ kept: JSON.parse(kept!) });
    await request(after.url)
      .get('/user/profile')
      .set(VERSION)
      .set('Authorization', `token ${its.apiKey}:${accessToken}`)
      .expect(200);
    await after.stop();
  });

  it('listens on the loopback address and answers to its own names only', async () => {
    expect(kite.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80'])
      await request(kite.url).get('/').set('Host', host).expect(403);
    await request(kite.url).get('/').set('Host', 'localhost:1').expect(200);
  });

  it('survives what is no request', async () => {
    await expect(exchangeBytes(kite.url, 'GARBAGE\r\n\r\n')).rejects.toThrow('hung up');
    const url = await exchangeBytes(kite.url, rawRequest('GET', '//evil.example/%zz', { Host: '127.0.0.1' }));
    expect(url.status).toBe(404);
    const long = rawRequest('POST', '/session/token', { Host: '127.0.0.1' }, 'x'.repeat(70_000));
    expect((await exchangeBytes(kite.url, long)).status).toBe(403);
  });
});
