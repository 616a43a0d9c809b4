import { startService, TestService } from '../support/app';
import { eventsOf } from '../support/account-rows';
import { isSignedIn, newSignedIn, SignedIn, signIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { refuseWrites } from '../support/refused-writes';

const PATH = '/v1/auth/refresh';

describe('a refresh token that is replayed while nothing can be recorded', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  let acceptEvents = (): Promise<void> => Promise.resolve();
  afterEach(() => acceptEvents());
  afterAll(() => service.stop());

  const refresh = (refresh_token: string) => service.client().post(PATH, { refresh_token });

  /** From now on the transactions that record something of this subject fail as late as they can: at their commit. */
  async function refuseEventsOf(userId: string): Promise<void> {
    const when = `NEW.subject = 'user:${userId}'`;
    const refusal = { table: 'events', of: 'INSERT', when, message: 'no room for events', code: 'disk_full' };
    acceptEvents = await refuseWrites(service.db, { ...refusal, atCommit: true });
  }

  const epochOf = async ({ userId }: SignedIn): Promise<number> =>
    (await service.db.query(`SELECT session_epoch FROM users WHERE id = $1`, [userId]))[0].session_epoch;

  /** Somebody with two sessions, of which the first has been refreshed twice: its first token is stale. */
  async function withStaleToken() {
    const here = await newSignedIn(service);
    const there = await signIn(service, here.person);
    const second = (await refresh(here.refreshToken).expect(200)).body.refresh_token as string;
    const latest = (await refresh(second).expect(200)).body.refresh_token as string;
    return { here, there, latest };
  }

  it('is answered with an error, and ends nothing that is not recorded as ended', async () => {
    const { here, there, latest } = await withStaleToken();
    await refuseEventsOf(here.userId);
    const { status, body, headers } = await refresh(here.refreshToken);
    expect(status).toBe(503);
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(JSON.stringify(body)).not.toContain('no room for events');
    expect(headers['set-cookie']).toBeUndefined();

    expect(await eventsOf(service, here.userId, 'session.revoked')).toEqual([]);
    expect(await epochOf(here)).toBe(0);
    expect(await isSignedIn(service, here.accessToken)).toBe(true);
    expect(await isSignedIn(service, there.accessToken)).toBe(true);
    await refresh(latest).expect(200);
  });

  it('raises the alarm when it is replayed once more after that', async () => {
    const { here, there, latest } = await withStaleToken();
    const bystander = await newSignedIn(service);
    await refuseEventsOf(here.userId);
    for (let i = 0; i < 3; i++) expect((await refresh(here.refreshToken)).status).toBe(503);
    await acceptEvents();

    await expectProblem(refresh(here.refreshToken), 401, 'refresh_token_reused');
    const [event, ...more] = await eventsOf(service, here.userId, 'session.revoked');
    expect(more).toEqual([]);
    expect(event!.data).toEqual({
      reason: 'refresh_reuse',
      session_ids: expect.arrayContaining([here.sessionId, there.sessionId]),
      before_epoch: 1,
      kept_session_ids: [],
    });
    for (const { accessToken } of [here, there]) expect(await isSignedIn(service, accessToken)).toBe(false);
    for (const token of [latest, there.refreshToken, here.refreshToken]) {
      await expectProblem(refresh(token), 401, 'invalid_refresh_token');
    }
    expect(await eventsOf(service, here.userId, 'session.revoked')).toHaveLength(1);
    expect(await isSignedIn(service, bystander.accessToken)).toBe(true);
    await signIn(service, here.person);
  });

  it('does not keep others from theirs', async () => {
    const [broken, healthy] = [await withStaleToken(), await withStaleToken()];
    await refuseEventsOf(broken.here.userId);
    expect((await refresh(broken.here.refreshToken)).status).toBe(503);
    await expectProblem(refresh(healthy.here.refreshToken), 401, 'refresh_token_reused');
    expect(await isSignedIn(service, healthy.there.accessToken)).toBe(false);
    expect(await isSignedIn(service, broken.there.accessToken)).toBe(true);
  });
});
