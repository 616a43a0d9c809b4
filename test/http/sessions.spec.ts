import { startService, TestService } from '../support/app';
import { eventsOf } from '../support/account-rows';
import { isSignedIn, newSignedIn, register, signIn } from '../support/people';
import { expectProblem } from '../support/problem';

const PATH = '/v1/auth/sessions';
const DAY = 86_400_000;

describe('GET /v1/auth/sessions', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('lists where the user is signed in, the latest first', async () => {
    const person = await register(service);
    const { email, password } = person;
    const phone = await service
      .client()
      .post('/v1/auth/login', {
        email,
        password,
        token_delivery: 'body',
        persist_session: true,
        device_fingerprint: 'phone-1',
      })
      .set('X-Forwarded-For', '8.8.8.8')
      .set('User-Agent', 'Phone/2.0')
      .expect(200);
    service.advance(60_000);
    const laptop = await signIn(service, person);

    const { body } = await service.client().get(PATH, laptop.accessToken).expect(200);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const common = { created_at: time, last_active_at: time, expires_at: time, mfa_verified: false };
    expect(body).toEqual({
      total: 2,
      sessions: [
        {
          ...common,
          session_id: laptop.sessionId,
          device_fingerprint: null,
          user_agent: 'test-browser/1.0',
          ip: expect.stringMatching(/^10\./),
          country: null,
          current: true,
        },
        {
          ...common,
          session_id: phone.body.session_id,
          device_fingerprint: 'phone-1',
          user_agent: 'Phone/2.0',
          ip: '8.8.8.8',
          country: 'US',
          current: false,
        },
      ],
    });
    const lives = (body.sessions as { created_at: string; expires_at: string }[]).map(
      (session) => Date.parse(session.expires_at) - Date.parse(session.created_at),
    );
    expect(lives).toEqual([DAY, 14 * DAY]);
  });

  it('shows the last refresh, and the end it moves', async () => {
    const session = await signIn(service, await register(service), { persist_session: true });
    const item = async () =>
      (await service.client().get(PATH, session.accessToken).expect(200)).body.sessions[0];
    const before = await item();
    expect(before.last_active_at).toBe(before.created_at);
    service.advance(600_000);
    await service.client().post('/v1/auth/refresh', { refresh_token: session.refreshToken }).expect(200);
    const after = await item();
    expect(after.created_at).toBe(before.created_at);
    expect(Date.parse(after.last_active_at)).toBeGreaterThanOrEqual(Date.parse(before.created_at) + 600_000);
    expect(Date.parse(after.expires_at) - Date.parse(after.last_active_at)).toBe(14 * DAY);
  });

  it('does not list sessions that are over', async () => {
    const person = await register(service);
    await signIn(service, person);
    service.advance(DAY);
    const { accessToken, sessionId } = await signIn(service, person);
    const { body } = await service.client().get(PATH, accessToken).expect(200);
    expect([body.total, body.sessions[0].session_id]).toEqual([1, sessionId]);
  });

  it('believes no hop left of the last one that is not a trusted proxy', async () => {
    const { email, password } = await register(service);
    const { body } = await service
      .client()
      .post('/v1/auth/login', { email, password })
      .set('X-Forwarded-For', '8.8.8.8, 192.0.2.7, 127.0.0.1')
      .expect(200);
    const { body: list } = await service.client().get(PATH, body.access_token).expect(200);
    expect(list.sessions[0].ip).toBe('192.0.2.7');
  });

  it('needs a signed-in caller', async () => {
    await expectProblem(service.client().get(PATH), 401, 'not_authenticated');
  });
});

describe('DELETE /v1/auth/sessions/{session_id}', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('ends one of the own sessions at once, and no other', async () => {
    const here = await newSignedIn(service);
    const there = await signIn(service, here.person);
    const { body } = await service
      .client()
      .delete(`${PATH}/${there.sessionId.toUpperCase()}`, here.accessToken)
      .expect(204);
    expect(body).toEqual({});
    expect(await isSignedIn(service, there.accessToken)).toBe(false);
    expect(await isSignedIn(service, here.accessToken)).toBe(true);
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: there.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    const [event] = await eventsOf(service, here.userId, 'session.revoked');
    expect(event!.data).toEqual({ reason: 'revoked_by_user', session_ids: [there.sessionId] });
    await expectProblem(
      service.client().delete(`${PATH}/${there.sessionId}`, here.accessToken),
      404,
      'not_found',
    );
  });

  it('ends the session that asks', async () => {
    const { sessionId, accessToken } = await newSignedIn(service);
    await service.client().delete(`${PATH}/${sessionId}`, accessToken).expect(204);
    expect(await isSignedIn(service, accessToken)).toBe(false);
  });

  it("answers 404 for somebody else's session, for an unknown one and for what is no id", async () => {
    const [me, somebody] = [await newSignedIn(service), await newSignedIn(service)];
    for (const id of [
      somebody.sessionId,
      '0192f0a4-9a3b-7f5e-8d21-1c9e5b7a4d33',
      'current',
      '%00',
      `${me.sessionId}:about`,
    ]) {
      await expectProblem(service.client().delete(`${PATH}/${id}`, me.accessToken), 404, 'not_found');
    }
    expect(await isSignedIn(service, somebody.accessToken)).toBe(true);
    expect(await isSignedIn(service, me.accessToken)).toBe(true);
  });

  it('needs a signed-in caller', async () => {
    const { sessionId, accessToken } = await newSignedIn(service);
    await expectProblem(service.client().delete(`${PATH}/${sessionId}`), 401, 'not_authenticated');
    expect(await isSignedIn(service, accessToken)).toBe(true);
  });
});
