import { decodeJwt } from 'jose';
import { eventually, startService, TestService } from '../support/app';
import { accountOf, eventsOf } from '../support/account-rows';
import { beginSignIn, newGuarded, setUpTotp, signInGuarded } from '../support/authenticator';
import { forgotten } from '../support/forgotten';
import { newSignedIn, PASSWORD, signIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { OwnServers, startOwnServers } from '../support/servers';

let servers: OwnServers;
let service: TestService;
beforeAll(async () => {
  servers = await startOwnServers();
  service = await startService({}, { ...servers, drop: () => Promise.resolve() });
}, 60_000);
afterAll(async () => {
  await service.stop();
  await servers.stop();
});

const works = (accessToken: string) =>
  eventually(
    async () => (await service.client().get('/v1/users/me', accessToken)).status === 200,
    'recovery',
  );

describe.each([
  ['hangs', () => servers.freezeRedis(), () => servers.thawRedis()],
  ['is gone', () => servers.killRedis(), () => servers.restartRedis()],
])('while Redis %s', (_how, fail, repair) => {
  it('everything about the second factor answers 503, nobody gets in, and no code is used up', async () => {
    const { member, phone, backupCodes } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    const code = phone.nextCode();
    const newcomer = await newSignedIn(service);
    const pending = await setUpTotp(service, newcomer);
    const before = await eventsOf(service, member.userId);

    await Promise.resolve(fail());
    await forgotten();
    const post = (path: string, body: object, token?: string) => service.client().post(path, body, token);
    const answers = [
      post('/v1/auth/mfa/verify', { mfa_token, code }),
      post('/v1/auth/mfa/verify', { mfa_token, code: backupCodes[0] }),
      post('/v1/mfa/totp/verify', { code }, member.accessToken),
      post('/v1/mfa/totp/disable', { code, password: PASSWORD }, member.accessToken),
      post('/v1/mfa/backup-codes/regenerate', { code }, member.accessToken),
      post('/v1/mfa/totp/setup', {}, newcomer.accessToken),
      post('/v1/mfa/totp/enable', { code: pending.code() }, newcomer.accessToken),
    ].map((test) => expectProblem(test, 503, 'unavailable'));
    await Promise.all(answers).finally(repair);

    await works(member.accessToken);
    expect(await eventsOf(service, member.userId)).toEqual(before);
    expect((await accountOf(service, newcomer.person.email)).mfa_enabled).toBe(false);
    await post('/v1/auth/mfa/verify', { mfa_token, code }).expect(200);
  });
});

describe('while PostgreSQL hangs', () => {
  it('codes answer 503, and are good afterwards', async () => {
    const { member, phone } = await newGuarded(service);
    const mfa_token = await beginSignIn(service, member.person);
    const code = phone.nextCode();
    servers.freezePostgres();
    await Promise.all([
      expectProblem(service.client().post('/v1/auth/mfa/verify', { mfa_token, code }), 503, 'unavailable'),
      expectProblem(
        service.client().post('/v1/mfa/totp/verify', { code }, member.accessToken),
        503,
        'unavailable',
      ),
    ]).finally(() => servers.thawPostgres());
    await works(member.accessToken);
    await service.client().post('/v1/auth/mfa/verify', { mfa_token, code }).expect(200);
  });
});

describe('when Redis fails right after the second factor was turned on', () => {
  it('the owner gets in with the authenticator, and nobody without', async () => {
    const member = await newSignedIn(service);
    const other = await signIn(service, member.person);
    const phone = await setUpTotp(service, member);
    const reply = await enableWhileRedisFails(member.accessToken, member.userId, phone.code());
    expect([reply.status, reply.body.code]).toEqual([503, 'unavailable']);
    expect((await accountOf(service, member.person.email)).mfa_enabled).toBe(true);

    servers.thawRedis();
    const client = service.client();
    await eventually(
      async () => (await client.get('/v1/users/me', other.accessToken)).status === 401,
      'the other session to end',
    );
    await expectProblem(
      client.post('/v1/auth/refresh', { refresh_token: other.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    // The relay has carried out all of it: the session that has proved the factor is marked, and stays.
    await eventually(async () => {
      const { body } = await client.get('/v1/auth/sessions', member.accessToken).expect(200);
      return body.sessions[0].mfa_verified === true;
    }, 'the session to be marked');
    const { body: refreshed } = await client
      .post('/v1/auth/refresh', { refresh_token: member.refreshToken })
      .expect(200);
    expect(decodeJwt(refreshed.access_token)).toMatchObject({ mfa: true });
    const again = await signInGuarded(service, member.person, phone);
    expect(decodeJwt(again.accessToken)).toMatchObject({ mfa: true });
    // The backup codes never arrived: others are made.
    const code = phone.nextCode();
    const { body } = await client
      .post('/v1/mfa/backup-codes/regenerate', { code }, again.accessToken)
      .expect(200);
    expect(body.backup_codes).toHaveLength(8);
  });

  /** Holds the transaction up at the user's row until Redis is frozen. */
  async function enableWhileRedisFails(accessToken: string, userId: string, code: string) {
    const holder = service.db.createQueryRunner();
    await holder.startTransaction();
    await holder.query(`SELECT FROM users WHERE id = $1 FOR UPDATE`, [userId]);
    const reply = service
      .client()
      .post('/v1/mfa/totp/enable', { code }, accessToken)
      .then((answer) => answer);
    try {
      await eventually(async () => {
        const [{ waiting }] = await service.db.query(
          `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
        );
        return waiting > 0;
      }, 'the transaction to wait');
      servers.freezeRedis();
    } finally {
      await holder.rollbackTransaction();
      await holder.release();
    }
    return reply;
  }
});
