import { createHash } from 'node:crypto';
import request from 'supertest';
import type { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { eventually, startService, TestService } from '../support/app';
import { enableTotp } from '../support/authenticator';
import { linkAccount, startServiceWithKite } from '../support/kite';
import { PageStub } from '../support/page-dom';
import { newKey, newServiceAccount } from '../support/services';
import { newAdministrator, newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { credentialsOf, Trader } from '../support/trading-life';

const PATH = '/dev/kite';

describe(`GET ${PATH}`, () => {
  let service: TestService;
  let kite: KiteSandbox;
  let html: string;
  let reply: Response;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
    reply = await fetch(
      `${service.url}${PATH}?request_token=abc&trading_account_id=%22%3E%3Cscript%3Ealert(1)%3C/script%3E`,
    );
    html = await reply.text();
  });
  afterAll(() => service.stop());

  /** One browser: pages that it opens share its cookies. */
  function newBrowser() {
    const cookies = new Map<string, string>();
    const ip = service.client().ip;
    const calls: string[] = [];
    const go = async (path: string, { method, headers, body }: RequestInit): Promise<Response> => {
      const { pathname, search } = new URL(path, service.config.PUBLIC_URL + PATH);
      calls.push(`${method} ${pathname}`);
      const answer = await fetch(service.url + pathname + search, {
        method,
        body,
        headers: {
          ...(headers as Record<string, string>),
          Origin: service.config.PUBLIC_URL,
          Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
          'X-Forwarded-For': ip,
        },
      });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
        if (value) cookies.set(name!, value);
        else cookies.delete(name!);
      }
      return answer;
    };
    return {
      calls,
      open: (url = service.config.PUBLIC_URL + PATH) => new PageStub({ url, html, fetch: go }),
    };
  }

  async function signIn(page: PageStub, { person }: SignedIn): Promise<void> {
    await eventually(async () => !page.at('sign-in').hidden, 'the form');
    page.at('email').value = person.email;
    page.at('password').value = person.password;
    page.at('sign-in').submit();
  }
  const said = (page: PageStub, words: RegExp) =>
    eventually(async () => words.test(page.at('result').words), String(words)).catch(() => {
      throw new Error(`it says ${page.at('result').words}`);
    });
  const listed = (page: PageStub, words: RegExp) =>
    eventually(async () => words.test(page.at('accounts').words), String(words));
  const desk = (page: PageStub) => eventually(async () => !page.at('desk').hidden, 'the desk');

  /** Makes an app, links, and goes to Kite's login page. */
  async function link(page: PageStub): Promise<string> {
    page.at('new-app').click();
    await eventually(async () => page.at('api_secret').value !== '', 'an app');
    page.at('nickname').value = ' Long <b>term ';
    page.at('link').submit();
    return eventually(async () => page.left, 'the way to Kite').catch((error: Error) => {
      throw new Error(`${error.message}: ${page.at('result').words}`);
    });
  }

  async function logInAtKite(loginUrl: string, userId: string): Promise<string> {
    expect(loginUrl.startsWith(kite.loginUrl)).toBe(true);
    const left = await fetch(loginUrl, {
      method: 'POST',
      body: new URLSearchParams({ user_id: userId }),
      redirect: 'manual',
    });
    expect(left.status).toBe(302);
    return left.headers.get('location')!;
  }

  it('is a page that no other site frames, no cache keeps and no Referer tells of', () => {
    const [, script] = /<script>([^]*)<\/script>/.exec(html)!;
    const hash = createHash('sha256').update(script!).digest('base64');
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
    const policy = reply.headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
    expect(policy).toContain(`script-src 'sha256-${hash}';`);
    expect(html).not.toMatch(/ style=| on\w+=| src=/);
    expect(html).not.toContain('alert(1)');
    expect(html).not.toContain('abc');
    // Whatever comes from elsewhere is shown as text.
    expect(script).not.toMatch(/innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|localStorage/);
  });

  it('links, logs in and verifies an account, and notices that a session is over', async () => {
    const member = await newVerified(service);
    const browser = newBrowser();
    const first = browser.open();
    await signIn(first, member);
    await desk(first);
    expect(first.at('who').textContent).toBe(`Signed in as ${member.person.email}.`);
    expect(first.at('password').value).toBe('');
    const back = await logInAtKite(await link(first), 'ab1234');
    expect(first.at('api_secret').value).toBe('');

    const second = browser.open(back);
    expect(second.address).toBe(PATH);
    await said(second, /^Logged in at Kite/);
    await listed(second, /Long <b>term \| kite AB1234 · active, until/);
    expect(browser.calls.filter((call) => call.endsWith('/session'))).toHaveLength(1);
    second.button('Verify').click();
    await said(second, /lives/);

    kite.expireSessions();
    second.button('Verify').click();
    await said(second, /over/);
    await listed(second, /session expired/);
    second.button('Log in at Kite').click();
    const again = await logInAtKite(await eventually(async () => second.left, 'the way to Kite'), 'AB1234');
    const third = browser.open(again);
    await said(third, /^Logged in at Kite/);

    await listed(third, /active/);
    third.button('Unlink').click();
    await said(third, /unlinked/);
    await listed(third, /^$/);
    third.at('sign-out').click();
    await eventually(async () => !third.at('sign-in').hidden, 'the form');
    const after = browser.open();
    await eventually(async () => !after.at('sign-in').hidden, 'the form');
    expect(after.at('desk').hidden).toBe(true);
  });

  it('logs in with the credentials in force, or with those that wait, as it was asked to', async () => {
    const member = await newVerified(service);
    const { accountId, brokerUserId } = await linkAccount(service, kite, member);
    const own = { redirectUrl: service.config.PUBLIC_URL + PATH };
    const [inForce, next] = [kite.newApp(own), kite.newApp(own)];
    const trader = new Trader(service, member);
    const request_token = kite.login(inForce.apiKey, brokerUserId);
    await trader.rotate(accountId, inForce, { request_token }).expect(200);
    await trader.rotate(accountId, next).expect(200);
    kite.expireSessions();
    await trader.verify(accountId).expect(200, /session_expired/);
    const browser = newBrowser();
    let page = browser.open();
    await signIn(page, member);
    for (const [button, used] of [
      ['Log in at Kite', inForce],
      ['Log in with the new app', next],
    ] as const) {
      await listed(page, new RegExp(button));
      page.button(button).click();
      const url = await eventually(async () => page.left, 'the way to Kite');
      expect(new URL(url).searchParams.get('api_key')).toBe(used.apiKey);
      page = browser.open(await logInAtKite(url, brokerUserId));
      await said(page, /^Logged in at Kite/);
      expect(await credentialsOf(service, accountId)).toMatchObject(used);
    }
    expect(await credentialsOf(service, accountId, 'staged')).toBeNull();
  });

  it('keeps what Kite sent back until somebody has signed in, with a second factor too', async () => {
    const member = await newVerified(service);
    const { phone } = await enableTotp(service, member);
    const app = kite.newApp({ redirectUrl: service.config.PUBLIC_URL + PATH });
    const { body } = await service
      .client()
      .post(
        '/v1/trading-accounts/link',
        { broker: 'kite', api_key: app.apiKey, api_secret: app.apiSecret },
        member.accessToken,
      )
      .expect(201);
    const page = newBrowser().open(await logInAtKite(body.login_url, 'CD5678'));
    expect(page.address).toBe(PATH);
    await signIn(page, member);
    await eventually(async () => !page.at('second').hidden, 'the question');
    page.at('code').value = ` ${phone.nextCode()} `;
    page.at('second').submit();
    await said(page, /^Logged in at Kite/);
    await listed(page, /CD5678 · active/);
  });

  it('says what went wrong, and shows the accounts all the same', async () => {
    const member = await newVerified(service);
    const browser = newBrowser();
    const first = browser.open();
    first.at('email').value = member.person.email;
    first.at('password').value = 'Wrong-Password-1!';
    await eventually(async () => !first.at('sign-in').hidden, 'the form');
    first.at('sign-in').submit();
    await said(first, /address or the password is wrong/);
    await signIn(first, member);
    await desk(first);
    const loginUrl = await link(first);
    const back = await logInAtKite(loginUrl, 'EF1111');
    await said(browser.open(back), /^Logged in/);
    const reused = browser.open(back);
    await said(reused, /^request_token: /);
    expect(reused.at('result').className).toBe('failed');
    await listed(reused, /EF1111/);
    const cancelled = browser.open(`${service.config.PUBLIC_URL}${PATH}?status=cancelled`);
    await desk(cancelled);
    await said(cancelled, /^You have not logged in at Kite/);
  });

  it('goes on at the address whose cookies the service takes', async () => {
    const page = newBrowser().open(`http://127.0.0.1:8001${PATH}?status=success&request_token=x`);
    expect(page.address).toBe(PATH);
    const left = await eventually(async () => page.left, 'the way home');
    expect(left).toBe(`${service.config.PUBLIC_URL}${PATH}?status=success&request_token=x`);
  });

  describe('POST /dev/kite/apps', () => {
    const make = (token?: string, host = 'localhost') => {
      const call = request(service.url).post(`${PATH}/apps`).set('Host', host);
      return token === undefined ? call : call.set('Authorization', `Bearer ${token}`);
    };

    it('makes an app whose logins come back to the page', async () => {
      const { accessToken } = await newVerified(service);
      const { body, headers } = await make(accessToken).expect(201);
      expect(headers['cache-control']).toBe('no-store');
      const back = await logInAtKite(`${kite.loginUrl}?v=3&api_key=${body.api_key}`, 'AB1234');
      expect(back.startsWith(`${service.config.PUBLIC_URL}${PATH}?`)).toBe(true);
    });

    it('is for people who are signed in', async () => {
      await expectProblem(make(), 401, 'not_authenticated');
      const admin = await newAdministrator(service);
      const { apiKey } = await newKey(service, admin, await newServiceAccount(service, 'user:read'), [
        'user:read',
      ]);
      const call = request(service.url).post(`${PATH}/apps`).set({ Host: 'localhost', 'X-API-Key': apiKey });
      await expectProblem(call, 403, 'session_required');
    });

    it('answers 503 while the sandbox is away', async () => {
      const other = await service.another({ KITE_API_BASE_URL: 'http://127.0.0.1:9' });
      const { accessToken } = await newVerified(service);
      const call = request(other.url)
        .post(`${PATH}/apps`)
        .set({ Host: 'localhost', Authorization: `Bearer ${accessToken}` });
      await expectProblem(call, 503, 'unavailable');
      await other.stop();
    });
  });

  it.each(['evil.example', 'localhost.evil.example:8001'])(
    'shows nothing to a page that reaches it as %s',
    async (host) => {
      await request(service.url).get(PATH).set('Host', host).expect(404);
      const { accessToken } = await newVerified(service);
      await request(service.url)
        .post(`${PATH}/apps`)
        .set({ Host: host, Authorization: `Bearer ${accessToken}` })
        .expect(404);
    },
  );

  it.each(['https://api.kite.trade', 'https://kite.internal:8443', ''])(
    'is not there where Kite is at %j',
    async (KITE_API_BASE_URL) => {
      const real = await startService({ KITE_API_BASE_URL });
      await request(real.url).get(PATH).set('Host', 'localhost').expect(404);
      await real.stop();
    },
  );
});
