import { KiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { unavailable } from '../../src/common/common.errors';
import { newId } from '../../src/common/ids';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { DataKeys } from '../../src/trading-accounts/vault/data-keys';
import { TestService } from '../support/app';
import { newHolder } from '../support/authority';
import { LinkedAccount, linkAccount, newKiteUser, startServiceWithKite } from '../support/kite';
import { newVerified, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';
import {
  callsDuring,
  credentialsOf,
  expectExists,
  historyOf,
  livingAt,
  rowOf,
  rowsOf,
  settled,
  share,
  Trader,
  UNKNOWN_TOKEN,
} from '../support/trading-life';

describe('POST /v1/trading-accounts/{id}/session', () => {
  let service: TestService;
  let kite: KiteSandbox;
  let person: SignedIn;
  let trader: Trader;
  let account: LinkedAccount;
  beforeAll(async () => {
    ({ service, kite } = await startServiceWithKite());
  });
  afterAll(() => service.stop());
  beforeEach(async () => {
    person = await newVerified(service);
    trader = new Trader(service, person);
    account = await linkAccount(service, kite, person);
  });

  const token = (user = account.brokerUserId, { apiKey } = account.app) => kite.login(apiKey, user);
  const stored = () => rowsOf(service, person.userId);
  const unchanged = async (call: () => Promise<unknown>): Promise<void> => {
    const before = await stored();
    const events = await historyOf(service, account.accountId);
    await call();
    expect(await stored()).toEqual(before);
    expect(await historyOf(service, account.accountId)).toEqual(events);
  };

  describe('every day', () => {
    it('exchanges the token once, and stores the session that lives at Kite now', async () => {
      kite.expireSessions();
      const calls = await callsDuring(kite, async () => {
        const reply = await trader.logIn(account.accountId, token()).expect(200);
        expect(reply.headers['cache-control']).toBe('no-store');
        expect(reply.body).toMatchObject({
          trading_account_id: account.accountId,
          status: 'active',
          broker_user_id: account.brokerUserId,
          rotation_pending: false,
        });
        expect(reply.body).not.toHaveProperty('login_url');
      });
      expect(calls).toEqual(['POST /session/token 200']);
      const { accessToken } = (await credentialsOf(service, account.accountId))!;
      expect(kite.sessions().find((session) => session.accessToken === accessToken)?.alive).toBe(true);
      expect(accessToken).not.toBe(account.accessToken);
    });

    it('records it, and keeps when it was linked', async () => {
      const { linked_at: linkedAt } = await rowOf(service, account.accountId);
      await trader.logIn(account.accountId, token()).expect(200);
      const [, event, ...more] = await historyOf(service, account.accountId);
      expect(event).toEqual({
        type: 'trading_account.credentials_updated',
        subject: `user:${person.userId}`,
        actor: `user:${person.userId}`,
        data: { credentials: 'session' },
      });
      expect(more).toEqual([]);
      expect(await rowOf(service, account.accountId)).toMatchObject({ linked_at: linkedAt, turn_id: null });
    });

    it.each(['session_expired', 'invalid'])('makes an account active that was %s', async (status) => {
      await service.db.query(
        `UPDATE trading_accounts SET status = $2, session_expires_at = now() WHERE id = $1`,
        [account.accountId, status],
      );
      const { body } = await trader.logIn(account.accountId, token()).expect(200);
      expect(body.status).toBe('active');
      expect(Date.parse(body.session_expires_at)).toBeGreaterThan(Date.now());
    });

    it('refuses the login of another user, ends it, and leaves the session of the right one alone', async () => {
      const stranger = newKiteUser();
      await unchanged(() =>
        expectProblem(trader.logIn(account.accountId, token(stranger)), 409, 'broker_user_mismatch'),
      );
      await settled(service);
      expect(livingAt(kite, account.app)).toEqual([`${account.app.apiKey}/${account.brokerUserId}`]);
      await trader.verify(account.accountId).expect(200, /"credentials_valid":true/);
    });

    it.each([
      ['a made-up token', () => UNKNOWN_TOKEN],
      ['the token of another app', () => kite.login(kite.newApp().apiKey, account.brokerUserId)],
    ])('refuses %s, and changes nothing', async (_what, made) => {
      await unchanged(async () => {
        const reply = await expectProblem(trader.logIn(account.accountId, made()), 422, 'broker_refused');
        expect(reply.body.errors[0].field).toBe('request_token');
      });
    });

    it('takes a token once', async () => {
      const used = token();
      await trader.logIn(account.accountId, used).expect(200);
      await unchanged(() => expectProblem(trader.logIn(account.accountId, used), 422, 'broker_refused'));
      expect(livingAt(kite, account.app)).toHaveLength(1);
    });
  });

  describe('the first time', () => {
    const pending = async (app = kite.newApp()) => {
      const { body } = await trader.link(app).expect(201);
      return { app, accountId: body.trading_account_id as string };
    };

    it('finishes a link', async () => {
      const { app, accountId } = await pending();
      const user = newKiteUser();
      const { body } = await trader.logIn(accountId, kite.login(app.apiKey, user)).expect(200);
      expect(body).toMatchObject({ status: 'active', broker_user_id: user, rotation_pending: false });
      expect(body.linked_at).toBe(body.last_verified_at);
      expect(await historyOf(service, accountId)).toMatchObject([
        { type: 'trading_account.credentials_updated', data: { credentials: 'staged' } },
        { type: 'trading_account.linked', data: { broker: 'kite', broker_user_id: user } },
      ]);
      expect(await credentialsOf(service, accountId, 'staged')).toBeNull();
    });

    it('refuses a Kite user whom the same person has linked: the link goes on waiting', async () => {
      const { app, accountId } = await pending();
      await unchanged(() =>
        expectExists(
          trader.logIn(accountId, kite.login(app.apiKey, account.brokerUserId)),
          account.accountId,
        ),
      );
      await settled(service);
      expect(livingAt(kite, app)).toEqual([]);
      expect(await rowOf(service, accountId)).toMatchObject({ status: 'pending_login', turn_id: null });
      const { body } = await trader.logIn(accountId, kite.login(app.apiKey, newKiteUser())).expect(200);
      expect(body.status).toBe('active');
    });

    it('notices that it has replaced the session of the account that is there', async () => {
      const { accountId } = await pending(account.app);
      await expectExists(trader.logIn(accountId, token()), account.accountId);
      await settled(service);
      expect(await rowOf(service, account.accountId)).toMatchObject({ status: 'session_expired' });
      expect((await historyOf(service, account.accountId)).at(-1)).toMatchObject({
        type: 'trading_account.session_expired',
        data: { reason: 'replaced' },
      });
    });

    it('has no credentials in force to use', async () => {
      const { app, accountId } = await pending();
      const call = trader.logIn(accountId, kite.login(app.apiKey, newKiteUser()), { use: 'current' });
      await expectProblem(call, 409, 'no_staged_credentials');
      expect(await rowOf(service, accountId)).toMatchObject({ status: 'pending_login', turn_id: null });
    });
  });

  describe('chooses the credentials', () => {
    let next: ReturnType<KiteSandbox['newApp']>;
    beforeEach(async () => {
      next = kite.newApp();
      await trader.rotate(account.accountId, next).expect(200);
    });

    it.each([{}, { use: 'staged' }, { use: null }])(
      'that wait, where there are any (%j), and so finishes a rotation',
      async (more) => {
        const { body } = await trader
          .logIn(account.accountId, token(account.brokerUserId, next), more)
          .expect(200);
        expect(body).toMatchObject({ status: 'active', rotation_pending: false });
        expect(body.api_key_masked).toMatch(new RegExp(`${next.apiKey.slice(-4)}$`));
        expect((await historyOf(service, account.accountId)).slice(1)).toMatchObject([
          { type: 'trading_account.credentials_updated', data: { credentials: 'staged' } },
          { type: 'trading_account.credentials_updated', data: { credentials: 'rotated' } },
        ]);
        // The session of the old app was logged out, after the new one was in force.
        await settled(service);
        expect(livingAt(kite, account.app, next)).toEqual([`${next.apiKey}/${account.brokerUserId}`]);
      },
    );

    it('in force when asked to; the others go on waiting', async () => {
      const { body } = await trader.logIn(account.accountId, token(), { use: 'current' }).expect(200);
      expect(body).toMatchObject({ status: 'active', rotation_pending: true });
      expect(body.rotation_login_url).toContain(next.apiKey);
      expect(await credentialsOf(service, account.accountId, 'staged')).toMatchObject(next);
    });

    it('that wait, but not for another Kite user', async () => {
      await unchanged(() =>
        expectProblem(
          trader.logIn(account.accountId, token(newKiteUser(), next)),
          409,
          'broker_user_mismatch',
        ),
      );
      await settled(service);
      expect(livingAt(kite, account.app, next)).toEqual([`${account.app.apiKey}/${account.brokerUserId}`]);
    });
  });

  it('has no staged credentials to use where none wait', async () => {
    await unchanged(() =>
      expectProblem(
        trader.logIn(account.accountId, token(), { use: 'staged' }),
        409,
        'no_staged_credentials',
      ),
    );
  });

  it.each<[string, unknown]>([
    ['request_token', undefined],
    ['request_token', null],
    ['request_token', 'short'],
    ['request_token', 'with a blank'],
    ['request_token', ['rqtkn0123456789']],
    ['use', 'both'],
    ['use', true],
    ['use', ['staged']],
  ])('refuses %s %j', async (field, value) => {
    const body = { request_token: UNKNOWN_TOKEN, [field]: value };
    const call = service
      .client()
      .post(`/v1/trading-accounts/${account.accountId}/session`, body, person.accessToken);
    await unchanged(() => expectInvalid(call, field));
  });

  it('is for the owner: a member is told so, others find nothing', async () => {
    const member = await newVerified(service);
    await share(service, account.accountId, member.userId, ['view', 'trade', 'manage']);
    const stranger = new Trader(service, await newVerified(service));
    const viewer = await newHolder(service, ['trading_account:view']);
    await unchanged(async () => {
      await expectProblem(
        new Trader(service, member).logIn(account.accountId, token()),
        403,
        'owner_required',
      );
      await expectProblem(stranger.logIn(account.accountId, token()), 404, 'not_found');
      await expectProblem(trader.logIn(newId(), token()), 404, 'not_found');
      await expectProblem(trader.logIn('none', token()), 404, 'not_found');
      await expectProblem(
        new Trader(service, viewer).logIn(account.accountId, token()),
        403,
        'permission_denied',
      );
    });
    expect(livingAt(kite, account.app)).toHaveLength(1);
  });

  describe('is made at login_url', () => {
    const show = (by: SignedIn = person) =>
      service.client().get(`/v1/trading-accounts/${account.accountId}`, by.accessToken);
    const apiKeyIn = (body: { login_url?: string }) =>
      body.login_url && new URL(body.login_url).searchParams.get('api_key');
    const returnedBy = (url: string) =>
      Object.fromEntries(new URLSearchParams(new URL(url).searchParams.get('redirect_params')!));

    it('which the owner is shown while a login is needed, and nobody else', async () => {
      expect((await show().expect(200)).body).not.toHaveProperty('login_url');
      kite.expireSessions();
      await trader.verify(account.accountId).expect(200, /session_expired/);
      expect(apiKeyIn((await show().expect(200)).body)).toBe(account.app.apiKey);
      const member = await newVerified(service);
      await share(service, account.accountId, member.userId, ['view', 'trade', 'manage']);
      expect((await show(member).expect(200)).body).not.toHaveProperty('login_url');
    });

    it('of the credentials in force, and at rotation_login_url of those that wait', async () => {
      const next = kite.newApp();
      await trader.rotate(account.accountId, next).expect(200);
      const { body: active } = await show().expect(200);
      expect(active).not.toHaveProperty('login_url');
      for (const status of ['session_expired', 'invalid']) {
        await service.db.query(`UPDATE trading_accounts SET status = $2 WHERE id = $1`, [
          account.accountId,
          status,
        ]);
        const { body } = await show().expect(200);
        expect(apiKeyIn(body)).toBe(account.app.apiKey);
        expect(returnedBy(body.login_url)).toEqual({ trading_account_id: account.accountId, use: 'current' });
        expect(body.rotation_login_url).toBe(active.rotation_login_url);
        expect(apiKeyIn({ login_url: body.rotation_login_url })).toBe(next.apiKey);
        expect(returnedBy(body.rotation_login_url)).toEqual({ trading_account_id: account.accountId });
      }
      await trader.logIn(account.accountId, token(), { use: 'current' }).expect(200);
      expect((await show().expect(200)).body).toMatchObject({ status: 'active', rotation_pending: true });
    });

    it('which is left out while the KMS cannot answer, or the credentials were tampered with', async () => {
      await service.db.query(`UPDATE trading_accounts SET status = 'session_expired' WHERE id = $1`, [
        account.accountId,
      ]);
      service.app.get(DataKeys, { strict: false }).forget(account.accountId);
      const kms = jest.spyOn(service.app.get<Kms>(KMS), 'unwrap').mockRejectedValue(unavailable());
      expect((await show().expect(200)).body).not.toHaveProperty('login_url');
      kms.mockRestore();
      expect(apiKeyIn((await show().expect(200)).body)).toBe(account.app.apiKey);
      await service.db.query(
        `UPDATE trading_credentials SET api_key = '\\x0102' WHERE trading_account_id = $1`,
        [account.accountId],
      );
      expect((await show().expect(200)).body).not.toHaveProperty('login_url');
    });
  });

  it('is one at a time', async () => {
    const gate = kite.hold();
    const first = trader.logIn(account.accountId, token());
    const answered = first.then((reply) => reply);
    while (gate.held() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await expectProblem(trader.logIn(account.accountId, token()), 409, 'broker_call_in_progress');
    await expectProblem(trader.rotate(account.accountId, kite.newApp()), 409, 'broker_call_in_progress');
    gate.release();
    expect((await answered).status).toBe(200);
    await trader.logIn(account.accountId, token()).expect(200);
  });

  it('is free again when the process that had the turn has died', async () => {
    await service.db.query(
      `UPDATE trading_accounts SET turn_id = gen_random_uuid(), turn_ends_at = now() + interval '20 s' WHERE id = $1`,
      [account.accountId],
    );
    await expectProblem(trader.logIn(account.accountId, token()), 409, 'broker_call_in_progress');
    await service.db.query(`UPDATE trading_accounts SET turn_ends_at = now() WHERE id = $1`, [
      account.accountId,
    ]);
    await trader.logIn(account.accountId, token()).expect(200);
  });
});
