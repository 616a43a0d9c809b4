import { OneTimeTokens } from '../src/tokens/one-time-tokens.service';
import { accountOf, eventsOf } from './support/account-rows';
import { eventually, startService, TestService } from './support/app';

import { askForReset } from './support/mailed-links';
import {
  newAdministrator,
  newSignedIn,
  newVerified,
  PASSWORD,
  register,
  SignedIn,
  tokenIn,
} from './support/people';
import { expectProblem } from './support/problem';
import { turnOnTotp } from './support/second-factor';
import { newSupporter } from './support/support-role';

const NEW = 'Kaveri-Morning-77?';
const SUSPEND = `UPDATE users SET status = 'suspended' WHERE id = $1`;
const DELETE = `UPDATE users SET status = 'deleted', deleted_at = now() WHERE id = $1`;
const PROMOTE = `INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`;

interface Reply {
  status: number;
  body: { code?: string };
}

describe('a call that meets another change of the same account', () => {
  let service: TestService;
  let admin: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());
  afterEach(() => jest.restoreAllMocks());

  /** Until some statement waits for a row that another transaction holds. */
  const isHeldUp = () =>
    eventually(async () => {
      const waiting = await service.db.query<unknown[]>(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return waiting.length > 0;
    }, 'a statement that waits');

  /** Has a call begin, and a change of the account commit before the call gets at its row. */
  async function overtaken(userId: string, change: string, call: () => PromiseLike<Reply>): Promise<Reply> {
    const runner = service.db.createQueryRunner();
    try {
      await runner.startTransaction();
      await runner.query(`SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, [userId]);
      const reply = call().then((it) => it);
      await isHeldUp();
      await runner.query(change, [userId]);
      await runner.commitTransaction();
      return await reply;
    } finally {
      await runner.release();
    }
  }

  it('resets no second factor of somebody who may do more by now', async () => {
    const supporter = await newSupporter(service);
    const me = await newSignedIn(service);
    await turnOnTotp(service, me);
    const reset = () => service.client().post(`/v1/users/${me.userId}/mfa/reset`, {}, supporter.accessToken);
    const { status, body } = await overtaken(me.userId, PROMOTE, reset);
    expect([status, body.code]).toEqual([403, 'escalation_refused']);
    expect(await accountOf(service, me.person.email)).toMatchObject({ mfa_enabled: true, session_epoch: 1 });
    expect(await eventsOf(service, me.userId, 'mfa.disabled')).toEqual([]);
  });

  it.each<[string, string]>([
    ['suspended', SUSPEND],
    ['deleted', DELETE],
  ])('changes no password of an account that is %s by now', async (_, change) => {
    const me = await newVerified(service);
    const before = await accountOf(service, me.person.email);
    const body = { current_password: PASSWORD, new_password: NEW };
    const reply = await overtaken(me.userId, change, () =>
      service.client().post('/v1/users/change-password', body, me.accessToken),
    );
    expect([reply.status, reply.body.code]).toEqual([401, 'not_authenticated']);
    expect((await accountOf(service, me.person.email)).password_hash).toBe(before.password_hash);
    expect(await eventsOf(service, me.userId, 'password.changed')).toEqual([]);
  });

  it.each<[string, string]>([
    ['suspended', SUSPEND],
    ['deleted', DELETE],
  ])('resets no password of an account that is %s by now', async (_, change) => {
    const me = await newVerified(service);
    const before = await accountOf(service, me.person.email);
    const token = await askForReset(service, me.person.email);
    const reply = await overtaken(me.userId, change, () =>
      service.client().post('/v1/auth/password/reset', { token, new_password: NEW }),
    );
    expect([reply.status, reply.body.code]).toEqual([400, 'invalid_reset_token']);
    expect((await accountOf(service, me.person.email)).password_hash).toBe(before.password_hash);
    expect(await eventsOf(service, me.userId, 'password.reset_completed')).toEqual([]);
  });

  it('deletes an account whose address is just being verified, and neither waits for the other for ever', async () => {
    const { email } = await register(service);
    const { id } = await accountOf(service, email);
    const token = tokenIn(await service.mailTo(email, /^Verify/));
    const tokens = service.app.get(OneTimeTokens);
    const discard = tokens.discard.bind(tokens);
    let verifying: Promise<Reply> | undefined;
    // The deletion has the account's row by now, and is about to take its links.
    jest.spyOn(tokens, 'discard').mockImplementationOnce(async (...args) => {
      verifying = service
        .client()
        .post('/v1/auth/email/verify', { token })
        .then((reply) => reply);
      await isHeldUp();
      return discard(...args);
    });
    await service
      .client()
      .delete(`/v1/users/${id as string}`, admin.accessToken)
      .expect(200);
    const { status, body } = (await verifying)!;
    expect([status, body.code]).toEqual([400, 'invalid_verification_token']);
    expect((await accountOf(service, email)).email_verified_at).toBeNull();
  });

  it('verifies an address as soon as another change of the account is done', async () => {
    const { email } = await register(service);
    const { id } = await accountOf(service, email);
    const token = tokenIn(await service.mailTo(email, /^Verify/));
    const reply = await overtaken(id as string, `UPDATE users SET name = 'Tara' WHERE id = $1`, () =>
      service.client().post('/v1/auth/email/verify', { token }),
    );
    expect(reply.status).toBe(200);
    expect(await accountOf(service, email)).toMatchObject({ status: 'active', name: 'Tara' });
  });

  it('refuses a second change of password as one with a wrong present one', async () => {
    const me = await newVerified(service);
    const reply = await overtaken(me.userId, `UPDATE users SET password_hash = 'other' WHERE id = $1`, () =>
      service
        .client()
        .post('/v1/users/change-password', { current_password: PASSWORD, new_password: NEW }, me.accessToken),
    );
    expect([reply.status, reply.body.code]).toEqual([403, 'invalid_current_password']);
    await expectProblem(
      service.client().post('/v1/auth/login', { email: me.person.email, password: NEW }),
      401,
      'invalid_credentials',
    );
  });
});
