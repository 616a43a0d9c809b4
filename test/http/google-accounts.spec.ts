import { eventsOf } from '../support/account-rows';
import { beginSignIn, enableTotp } from '../support/authenticator';
import {
  finish,
  GoogleWorld,
  newGooglePerson,
  returnFromGoogle,
  signInWithGoogle,
  startGoogleWorld,
} from '../support/google-flow';
import { askForReset } from '../support/mailed-links';
import { isSignedIn, newPerson, newSignedIn, newVerified, PASSWORD, Person, signIn } from '../support/people';
import { expectProblem } from '../support/problem';

const VERIFY = '/v1/auth/mfa/verify';

let world: GoogleWorld;
beforeAll(async () => {
  world = await startGoogleWorld();
});
afterAll(() => world.stop());

const googleAccountOf = ({ email }: Person): string => newGooglePerson(world, { email }).sub;

describe('An account with a second factor', () => {
  it('is entered with Google and the second factor, and not with Google alone', async () => {
    const { service } = world;
    const member = await newVerified(service);
    const { phone } = await enableTotp(service, member);
    const sub = googleAccountOf(member.person);
    const joined = await signInWithGoogle(world, sub);
    expect(joined.body).toMatchObject({ status: 'mfa_required', methods: ['totp', 'backup_code'] });
    expect(joined.body.access_token).toBeUndefined();
    expect(await eventsOf(service, member.userId, 'user.provider_linked')).toHaveLength(1);

    const { body } = await service
      .client()
      .post(VERIFY, { mfa_token: joined.body.mfa_token, code: phone.nextCode() })
      .expect(200);
    expect(body).toMatchObject({ is_new_user: false, user: { user_id: member.userId } });
    expect((await eventsOf(service, member.userId, 'user.login')).at(-1)).toMatchObject({
      data: { method: 'google', second_factor: 'totp' },
    });
  });

  it('gets its cookie where the sign-in with Google asked for it', async () => {
    const { service } = world;
    const member = await newVerified(service);
    const { phone } = await enableTotp(service, member);
    const { body } = await signInWithGoogle(world, googleAccountOf(member.person), {});
    const code = phone.nextCode();
    const call = () => service.client().post(VERIFY, { mfa_token: body.mfa_token, code });
    await expectProblem(call().set('Origin', 'https://evil.test'), 403, 'origin_not_allowed');
    const { headers } = await call().expect(200);
    // Persistent, as a sign-in with Google is unless told otherwise.
    expect(headers['set-cookie']).toEqual([expect.stringMatching(/^refresh_token=[\w-]+; Max-Age=\d+;/)]);
  });

  it('loses it, if a stranger has put it there, to the owner of the address', async () => {
    const { service } = world;
    const stranger = await newSignedIn(service);
    const { phone, backupCodes } = await enableTotp(service, stranger);
    const pending = await beginSignIn(service, stranger.person);
    const sub = googleAccountOf(stranger.person);
    const { body } = await signInWithGoogle(world, sub);
    expect(body.user).toMatchObject({ user_id: stranger.userId, mfa_enabled: false });
    expect(await eventsOf(service, stranger.userId, 'mfa.disabled')).toMatchObject([
      { data: { reason: 'account_claimed' } },
    ]);
    for (const code of [phone.nextCode(), backupCodes[0]]) {
      const { status } = await service.client().post(VERIFY, { mfa_token: pending, code });
      expect(status).toBe(401);
    }
    expect(await isSignedIn(service, body.access_token)).toBe(true);
  });
});

describe('An account without a password', () => {
  it('has none that anybody could know, until its owner chooses one', async () => {
    const { service } = world;
    const person = { ...newPerson(), ...newGooglePerson(world) };
    const { body } = await signInWithGoogle(world, person.sub);
    const login = { email: person.email, password: PASSWORD };
    await expectProblem(service.client().post('/v1/auth/login', login), 401, 'invalid_credentials');

    const token = await askForReset(service, person.email);
    const reset = { token, new_password: PASSWORD };
    await service.client().post('/v1/auth/password/reset', reset).expect(200);
    // As with every reset.
    expect(await isSignedIn(service, body.access_token)).toBe(false);
    expect((await signIn(service, person)).userId).toBe(body.user.user_id);
    // And Google goes on opening it.
    const again = await signInWithGoogle(world, person.sub);
    expect(again.body).toMatchObject({ is_new_user: false, user: { user_id: body.user.user_id } });
  });

  it('cannot be told to change one', async () => {
    const { sub } = newGooglePerson(world);
    const { body } = await signInWithGoogle(world, sub);
    const change = { current_password: '', new_password: PASSWORD };
    await expectProblem(
      world.service.client().post('/v1/users/change-password', change, body.access_token),
      403,
      'invalid_current_password',
    );
  });

  it('is deleted by whoever has just signed in, and by nobody else', async () => {
    const { service } = world;
    const person = newGooglePerson(world);
    const old = await signInWithGoogle(world, person.sub);
    service.advance(6 * 60_000);
    const refused = await service.client().delete('/v1/users/me', old.body.access_token);
    expect([refused.status, refused.body.code, refused.body.methods]).toEqual([
      403,
      'verification_required',
      ['sign_in'],
    ]);
    const { body } = await signInWithGoogle(world, person.sub);
    await service.client().delete('/v1/users/me', body.access_token).expect(200);

    // Whoever comes back after that is new here.
    const again = await finish(world, await returnFromGoogle(world, person.sub)).expect(200);
    expect(again.body.is_new_user).toBe(true);
    expect(again.body.user.user_id).not.toBe(body.user.user_id);
  });
});
