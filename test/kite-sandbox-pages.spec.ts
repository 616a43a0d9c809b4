import request from 'supertest';
import { KiteSandbox, startKiteSandbox } from '../src/embedded/kite-sandbox/kite-sandbox';

const REDIRECT = 'http://app.test/kite?from=kite';

describe('The pages of the Kite sandbox', () => {
  let kite: KiteSandbox;
  beforeAll(async () => {
    kite = await startKiteSandbox({ redirectUrl: REDIRECT });
  });
  afterAll(() => kite.stop());

  const loginPath = (apiKey: string, more: Record<string, string> = {}): string =>
    `/connect/login?${new URLSearchParams({ v: '3', api_key: apiKey, ...more }).toString()}`;
  const logIn = (path: string, userId: string) =>
    request(kite.url).post(path).type('form').send({ user_id: userId });

  it('ask who logs in, say that they are a sandbox, and ask for no password', async () => {
    const { apiKey, apiSecret } = kite.newApp();
    const { text, headers } = await request(kite.url).get(loginPath(apiKey)).expect(200);
    expect(text).toContain('This is a sandbox, not Zerodha.');
    expect(text).not.toMatch(/type="password"/);
    expect(text).not.toContain(apiSecret);
    expect(text).not.toContain('<script');
    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' http://app.test; base-uri 'none'; frame-ancestors 'none'",
    );
    expect(headers['cache-control']).toBe('no-store');
    // Ours, and not that of the app: with no-referrer a browser sends a form without its origin.
    expect(headers['referrer-policy']).toBe('same-origin');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('send the browser to the app with a request token and what the app wants back', async () => {
    const app = kite.newApp();
    const returned = new URLSearchParams({ trading_account_id: 'x', odd: 'a b&c=d' }).toString();
    const { headers } = await logIn(loginPath(app.apiKey, { redirect_params: returned }), ' ab1234 ').expect(
      302,
    );
    const url = new URL(headers.location!);
    expect(url.origin + url.pathname).toBe('http://app.test/kite');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      from: 'kite',
      trading_account_id: 'x',
      odd: 'a b&c=d',
      action: 'login',
      type: 'login',
      status: 'success',
      request_token: expect.stringMatching(/^[a-z0-9]{32}$/),
    });
    expect(headers['referrer-policy']).toBe('no-referrer');
  });

  it('do not have an app say what is Kite’s to say', async () => {
    const { apiKey } = kite.newApp();
    const forged = 'request_token=forged&status=failed&action=x&type=y';
    const { headers } = await logIn(loginPath(apiKey, { redirect_params: forged }), 'AB1234').expect(302);
    const { searchParams } = new URL(headers.location!);
    expect(searchParams.getAll('status')).toEqual(['success']);
    expect(searchParams.getAll('request_token')).toEqual([expect.not.stringContaining('forged')]);
  });

  it.each(['', 'A', 'AB 1234', 'AB12345678901', '<b>', 'AB1234\r\nX: y'])(
    'log nobody in as %j',
    async (userId) => {
      const { apiKey } = kite.newApp();
      const { text } = await logIn(loginPath(apiKey), userId).expect(400);
      expect(text).toContain('A user ID has 2 to 10 letters and digits');
      expect(text).not.toContain('<b>');
    },
  );

  it('know no other app and no other version', async () => {
    const { apiKey } = kite.newApp();
    await request(kite.url).get(loginPath('"><script>')).expect(400);
    await logIn(loginPath('x'), 'AB1234').expect(400);
    const { text } = await request(kite.url)
      .get(loginPath(apiKey, { v: '2' }))
      .expect(400);
    expect(text).toContain('Only v=3');
  });

  it('propose who logged in with this app last', async () => {
    const [app, other] = [kite.newApp(), kite.newApp()];
    for (const [{ apiKey, apiSecret }, userId] of [
      [app, 'AA0001'],
      [other, 'BB0002'],
    ] as const) {
      const token = kite.login(apiKey, userId);
      const { createHash } = await import('node:crypto');
      const checksum = createHash('sha256')
        .update(apiKey + token + apiSecret)
        .digest('hex');
      await request(kite.url)
        .post('/session/token')
        .set('X-Kite-Version', '3')
        .type('form')
        .send({ api_key: apiKey, request_token: token, checksum })
        .expect(200);
    }
    const { text } = await request(kite.url).get(loginPath(app.apiKey)).expect(200);
    expect(text).toContain('value="AA0001" required');
  });

  it('show an app without a redirect URL what it would have been sent', async () => {
    const alone = await startKiteSandbox();
    const { apiKey } = alone.newApp();
    const { headers } = await request(alone.url)
      .post(loginPath(apiKey))
      .type('form')
      .send({ user_id: 'AB1234' })
      .expect(302);
    expect(headers.location).toContain(`${alone.url}/connect/finished?`);
    const { text } = await request(headers.location!).get('').expect(200);
    expect(text).toContain(new URL(headers.location!).searchParams.get('request_token'));
    await alone.stop();
  });

  it('list the apps, make new ones, and end every session', async () => {
    await request(kite.url).post('/').expect(303).expect('Location', '/');
    const { apiKey, apiSecret } = kite.newApp({ redirectUrl: 'http://other.test/<x>' });
    const { text } = await request(kite.url).get('/').expect(200);
    expect(text).toContain(apiKey);
    expect(text).toContain(apiSecret);
    expect(text).not.toContain('<x>');
    expect(kite.sessions().some(({ alive }) => alive)).toBe(true);
    await request(kite.url).post('/').type('form').send({ do: 'expire' }).expect(303);
    expect(kite.sessions().every(({ alive }) => !alive)).toBe(true);
  });

  it('make an app for a program', async () => {
    const made = await request(kite.url)
      .post('/sandbox/apps')
      .send({ redirect_url: 'https://a.test/b' })
      .expect(201);
    expect(made.body).toEqual({
      api_key: expect.stringMatching(/^[a-z0-9]{16}$/),
      api_secret: expect.stringMatching(/^[a-z0-9]{32}$/),
      redirect_url: 'https://a.test/b',
    });
    const plain = await request(kite.url).post('/sandbox/apps').expect(201);
    expect(plain.body.redirect_url).toBe(REDIRECT);
  });

  it.each([
    '{',
    '[]x',
    '{"redirect_url":1}',
    '{"redirect_url":"javascript:alert(1)"}',
    '{"redirect_url":"x"}',
    'null',
  ])('make none of %s', async (body) => {
    await request(kite.url)
      .post('/sandbox/apps')
      .set('Content-Type', 'application/json')
      .send(body)
      .expect(400);
  });

  it.each([
    { Origin: 'http://evil.example' },
    { Origin: 'null' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
  ])('take no form of another site: %j', async (headers) => {
    const { apiKey } = kite.newApp();
    for (const path of ['/', '/sandbox/apps', loginPath(apiKey)])
      await request(kite.url).post(path).set(headers).type('form').send({ user_id: 'AB1234' }).expect(403);
  });

  it('take their own form', async () => {
    const { apiKey } = kite.newApp();
    await logIn(loginPath(apiKey), 'AB1234')
      .set({ Origin: kite.url, 'Sec-Fetch-Site': 'same-origin' })
      .expect(302);
    await logIn(loginPath(apiKey), 'AB1234').set({ Origin: kite.url }).expect(302);
  });
});
