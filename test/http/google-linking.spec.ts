import { Presence } from '../../src/mfa/presence.service';
import { ProfileChanges } from '../../src/users/profile-changes';
import { accountOf, deleteAccount, eventsOf, setStatus, StoredEvent } from '../support/account-rows';
import {
  finish,
  GoogleWorld,
  newGooglePerson,
  returnFromGoogle,
  signInWithGoogle,
  startGoogleWorld,
} from '../support/google-flow';
import { askForReset, mailsSent } from '../support/mailed-links';
import {
  isSignedIn,
  newAdministrator,
  newPerson,
  newSignedIn,
  newVerified,
  PASSWORD,
  Person,
  signIn,
  tokenIn,
} from '../support/people';
import { expectProblem } from '../support/problem';
import { WHOLE_EVENTS } from '../support/whole-events';

let world: GoogleWorld;
beforeAll(async () => {
  world = await startGoogleWorld();
});
afterAll(() => world.stop());

/** What is in the tables of an account, its last sign-in aside. */
async function rowsOf({
  email,
}: {
  email: string;
}): Promise<Record<string, unknown> & { events: StoredEvent[] }> {
  const { id, last_login_at: _, ...account } = await accountOf(world.service, email);
  const links = await world.service.db.query(`SELECT * FROM auth_providers WHERE user_id = $1`, [id]);
  return { id, account, links, events: await eventsOf(world.service, id as string) };
}

/** As they are, but for the trace of a try that the account's state did not allow. */
const withRefusal = <T extends { events: StoredEvent[] }>(rows: T): T => ({
  ...rows,
  events: [...rows.events, { type: 'login.failed', actor: 'anonymous', data: { reason: 'not_allowed' } }],
});

async function countAccounts(): Promise<number> {
  const [{ count }] = await world.service.db.query(`SELECT count(*)::int FROM users`);
  return count as number;
}

/** A Google account with the address of somebody here. */
const googleAccountOf = ({ email }: Person, claims: object = {}): string =>
  newGooglePerson(world, { email, ...claims }).sub;

const providersOf = async (accessToken: string): Promise<unknown> =>
  (await world.service.client().get('/v1/users/me', accessToken).expect(200)).body.oauth_providers;

describe('A Google account that is known here', () => {
  it('opens its account again', async () => {
    const { sub } = newGooglePerson(world);
    const first = await signInWithGoogle(world, sub);
    const second = await signInWithGoogle(world, sub);
    expect(first.body.is_new_user).toBe(true);
    expect(second.body).toMatchObject({
      is_new_user: false,
      user: { user_id: first.body.user.user_id },
    });
    expect(await eventsOf(world.service, first.body.user.user_id, 'user.provider_linked')).toHaveLength(1);
  });

  it('opens it also after its address has changed at Google, and changes nothing of it', async () => {
    const person = newGooglePerson(world);
    const first = await signInWithGoogle(world, person.sub);
    const moved = newGooglePerson(world, { sub: person.sub, name: 'Somebody Else' });
    const { body } = await signInWithGoogle(world, person.sub);
    expect(body.user).toEqual(first.body.user);
    expect(moved.email).not.toBe(person.email);
  });

  it('opens it, and no other one that has the new address', async () => {
    const person = newGooglePerson(world);
    const first = await signInWithGoogle(world, person.sub);
    const other = await newVerified(world.service);
    const before = await rowsOf(other.person);
    newGooglePerson(world, { sub: person.sub, email: other.person.email });
    const { body } = await signInWithGoogle(world, person.sub);
    expect(body.user).toEqual(first.body.user);
    expect(await rowsOf(other.person)).toEqual(before);
  });

  it('opens it also where the new address is none that we take', async () => {
    const person = newGooglePerson(world);
    await signInWithGoogle(world, person.sub);
    newGooglePerson(world, { sub: person.sub, email: 'asha@localhost' });
    const { body } = await signInWithGoogle(world, person.sub);
    expect(body.user.email).toBe(person.email);
  });

  it('opens nothing once Google no longer vouches for its address', async () => {
    const person = newGooglePerson(world);
    await signInWithGoogle(world, person.sub);
    newGooglePerson(world, { ...person, email_verified: false });
    const back = await returnFromGoogle(world, person.sub);
    await expectProblem(finish(world, back), 403, 'email_not_verified');
  });

  it.each([
    ['suspended', 'account_suspended'],
    ['deactivated', 'account_deactivated'],
  ] as const)('opens no account that is %s', async (status, code) => {
    const person = newGooglePerson(world);
    await signInWithGoogle(world, person.sub);
    await setStatus(world.service, person.email, status);
    const before = await rowsOf(person);
    const back = await returnFromGoogle(world, person.sub);
    await expectProblem(finish(world, back), 403, code);
    expect(await rowsOf(person)).toEqual(withRefusal(before));
  });

  it('gets a new account where the old one was deleted', async () => {
    const person = newGooglePerson(world);
    const first = await signInWithGoogle(world, person.sub);
    await deleteAccount(world.service, person.email);
    const { body } = await signInWithGoogle(world, person.sub);
    expect(body.is_new_user).toBe(true);
    expect(body.user.user_id).not.toBe(first.body.user.user_id);
    expect(body.user.email).toBe(person.email);
    expect((await signInWithGoogle(world, person.sub)).body.user).toEqual(body.user);
  });

  it('opens no account whose own address is not verified, where that is asked for', async () => {
    const person = newGooglePerson(world);
    await signInWithGoogle(world, person.sub);
    // As after a change of the address.
    await world.service.db.query(`UPDATE users SET email_verified_at = NULL WHERE email = $1`, [
      person.email,
    ]);
    const strict = await world.service.another({ FEATURE_REQUIRE_VERIFIED_EMAIL: 'true' });
    try {
      const there = { ...world, service: strict };
      const back = await returnFromGoogle(there, person.sub);
      await expectProblem(finish(there, back), 403, 'email_not_verified');
    } finally {
      await strict.stop();
    }
  });
});

describe('A Google account whose address Google does not vouch for', () => {
  it.each<[string, object]>([
    ['false', { email_verified: false }],
    ['missing', { email_verified: undefined }],
    ['the text "true"', { email_verified: 'true' }],
    ['the text "false"', { email_verified: 'false' }],
    ['the number 1', { email_verified: 1 }],
    ['null', { email_verified: null }],
  ])('gets no account: email_verified is %s', async (_what, claims) => {
    const before = await countAccounts();
    const { sub } = newGooglePerson(world, claims as Record<string, unknown>);
    const back = await returnFromGoogle(world, sub);
    await expectProblem(finish(world, back), 403, 'email_not_verified');
    expect(await countAccounts()).toBe(before);
  });

  it('opens nobody’s account', async () => {
    for (const { person } of [await newVerified(world.service), await newSignedIn(world.service)]) {
      await mailsSent(world.service);
      const before = await rowsOf(person);
      const back = await returnFromGoogle(world, googleAccountOf(person, { email_verified: false }));
      await expectProblem(finish(world, back), 403, 'email_not_verified');
      expect(await rowsOf(person)).toEqual(before);
    }
  });

  it.each<[string, unknown]>([
    ['missing', undefined],
    ['empty', ''],
    ['no address', 'asha'],
    ['two addresses', 'a@example.org,b@example.org'],
    ['a look-alike', 'ａsha@example.org'],
    ['an object', { $gt: '' }],
    ['with NUL', 'a\0b@example.org'],
  ])('gets no account: the address is %s', async (_what, email) => {
    const before = await countAccounts();
    const { sub } = newGooglePerson(world, { email });
    const back = await returnFromGoogle(world, sub);
    await expectProblem(finish(world, back), 403, 'email_not_usable');
    expect(await countAccounts()).toBe(before);
  });
});

describe('A Google account that is new here', () => {
  it('is compared by its address in normal form', async () => {
    const { person, userId } = await newVerified(world.service);
    const sub = googleAccountOf({ ...person, email: `  ${person.email.toUpperCase()} ` });
    expect((await signInWithGoogle(world, sub)).body.user.user_id).toBe(userId);
  });

  it.each<[string, unknown, string | RegExp]>([
    ['a name', 'Åsa Räv', 'Åsa Räv'],
    ['a name with line breaks', 'Asha\r\nYou won: https://evil.test', 'Asha You won: https://evil.test'],
    ['a name with invisible characters', 'A\u200bs\u202eha\0', 'Asha'],
    ['a blank name', ' \n ', /^g[0-9a-f]{12}$/],
    ['no name', undefined, /^g[0-9a-f]{12}$/],
    ['a name that is no text', { first: 'Asha' }, /^g[0-9a-f]{12}$/],
    ['a name of 300 characters', 'x'.repeat(300), 'x'.repeat(255)],
  ])('gets an account with a name that follows the rules: %s', async (_what, name, expected) => {
    const { sub } = newGooglePerson(world, { name });
    const { body } = await signInWithGoogle(world, sub);
    expect(body.user.name).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
    const rename = { name: body.user.name };
    await world.service.client().patch('/v1/users/me', rename, body.access_token).expect(200);
  });

  it('joins the account with its address, if that is verified here too, and tells the owner', async () => {
    const { service } = world;
    const member = await newVerified(service);
    const { body } = await signInWithGoogle(world, googleAccountOf(member.person, { name: 'Other Name' }));
    expect(body).toMatchObject({
      is_new_user: false,
      user: { user_id: member.userId, name: member.person.name },
    });
    expect(await eventsOf(service, member.userId, 'user.provider_linked')).toEqual([
      { type: 'user.provider_linked', actor: `user:${member.userId}`, data: { provider: 'google' } },
    ]);
    await service.mailTo(member.person.email, /^Your account can be opened with Google$/);
    // Nothing else has changed.
    expect(await isSignedIn(service, member.accessToken)).toBe(true);
    expect((await signIn(service, member.person)).userId).toBe(member.userId);
    expect(await providersOf(member.accessToken)).toEqual(['google']);
  });

  it('joins no account that another Google account opens', async () => {
    const { service } = world;
    const { person } = await newVerified(service);
    await signInWithGoogle(world, googleAccountOf(person));
    await mailsSent(service);
    const before = await rowsOf(person);
    const back = await returnFromGoogle(world, googleAccountOf(person));
    await expectProblem(finish(world, back), 409, 'google_already_linked');
    expect(await rowsOf(person)).toEqual(before);
  });

  it.each([
    ['suspended', 'account_suspended', true],
    ['deactivated', 'account_deactivated', true],
    ['suspended', 'account_suspended', false],
    ['deactivated', 'account_deactivated', false],
  ] as const)('joins no account that is %s (%s, verified: %s)', async (status, code, isVerified) => {
    const { person } = await (isVerified ? newVerified : newSignedIn)(world.service);
    await setStatus(world.service, person.email, status);
    await mailsSent(world.service);
    const before = await rowsOf(person);
    const back = await returnFromGoogle(world, googleAccountOf(person));
    await expectProblem(finish(world, back), 403, code);
    expect(await rowsOf(person)).toEqual(withRefusal(before));
  });

  it('joins no account of a service', async () => {
    const { person } = await newVerified(world.service);
    await world.service.db.query(`UPDATE users SET kind = 'service', password_hash = NULL WHERE email = $1`, [
      person.email,
    ]);
    const before = await rowsOf(person);
    const back = await returnFromGoogle(world, googleAccountOf(person));
    await expectProblem(finish(world, back), 403, 'email_not_usable');
    expect(await rowsOf(person)).toEqual(before);
  });

  it('does not count deleted accounts', async () => {
    const { person, userId } = await newVerified(world.service);
    await deleteAccount(world.service, person.email);
    const { body } = await signInWithGoogle(world, googleAccountOf(person));
    expect(body.is_new_user).toBe(true);
    expect(body.user.user_id).not.toBe(userId);
  });

  it('joins one account once where it comes several times at once', async () => {
    const { service } = world;
    const { person, userId } = await newVerified(service);
    const sub = googleAccountOf(person);
    const backs = await Promise.all(Array.from({ length: 6 }, () => returnFromGoogle(world, sub)));
    const replies = await Promise.all(backs.map((back) => finish(world, back)));
    expect(replies.map(({ body }) => body.user?.user_id)).toEqual(Array(6).fill(userId));
    expect(await eventsOf(service, userId, 'user.provider_linked')).toHaveLength(1);
  });

  it('and another one with the same address: one of them joins', async () => {
    const { service } = world;
    const { person, userId } = await newVerified(service);
    const subs = [googleAccountOf(person), googleAccountOf(person)];
    const backs = await Promise.all(subs.map((sub) => returnFromGoogle(world, sub)));
    const replies = await Promise.all(backs.map((back) => finish(world, back)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(await eventsOf(service, userId, 'user.provider_linked')).toHaveLength(1);
  });
});

describe('An account that somebody made with an address that is not theirs', () => {
  const NEW = 'Monsoon-Kettle-77!';

  /** A stranger with all that a stranger can have there. */
  async function hijack(): Promise<{ stranger: Awaited<ReturnType<typeof signIn>>; sub: string }> {
    const { service } = world;
    const stranger = await newSignedIn(service);
    const profile = { phone: '+919876543210', avatar_url: 'https://evil.test/a.png', timezone: 'Asia/Tokyo' };
    await service.client().patch('/v1/users/me', profile, stranger.accessToken).expect(200);
    return { stranger, sub: googleAccountOf(stranger.person, { name: 'The Owner' }) };
  }

  it('is the owner’s when they come with Google: password and sessions of the stranger are gone', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    const { person, userId } = stranger;
    const { body } = await signInWithGoogle(world, sub);
    expect(body).toMatchObject({
      is_new_user: false,
      user: { user_id: userId, name: 'The Owner', status: 'active', email_verified: true },
    });
    expect(await isSignedIn(service, stranger.accessToken)).toBe(false);
    await expectProblem(
      service.client().post('/v1/auth/refresh', { refresh_token: stranger.refreshToken }),
      401,
      'invalid_refresh_token',
    );
    const login = { email: person.email, password: PASSWORD };
    await expectProblem(service.client().post('/v1/auth/login', login), 401, 'invalid_credentials');
    expect(await isSignedIn(service, body.access_token)).toBe(true);
  });

  it('keeps nothing that the stranger has set up', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    await signInWithGoogle(world, sub);
    expect(await accountOf(service, stranger.person.email)).toMatchObject({
      name: 'The Owner',
      phone: null,
      avatar_url: null,
      timezone: 'UTC',
      locale: 'en-US',
      password_hash: null,
      password_changed_at: null,
      mfa_enabled: false,
    });
    const events = await eventsOf(service, stranger.userId);
    const actor = `user:${stranger.userId}`;
    expect(events.slice(-5).map(({ type }) => type)).toEqual([
      'user.email_verified',
      'user.provider_linked',
      'session.revoked',
      'user.login',
      'session.created',
    ]);
    expect(events.at(-3)).toEqual({
      type: 'session.revoked',
      actor,
      data: {
        reason: 'account_claimed',
        session_ids: [stranger.sessionId],
        before_epoch: 1,
        kept_session_ids: [],
      },
    });
    const mail = await service.mailTo(stranger.person.email, /^Your account was confirmed with Google$/);
    expect(mail.text).toContain('the password included');
  });

  it('is not deleted by a call of the stranger’s that was under way', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    const back = await returnFromGoogle(world, sub);
    const presence = service.app.get(Presence, { strict: false });
    const require = presence.require.bind(presence);
    let owner: { body: { access_token: string } } | undefined;
    jest.spyOn(presence, 'require').mockImplementationOnce(async (...args) => {
      await require(...args);
      owner = await finish(world, back).expect(200);
    });
    await expectProblem(
      service.client().delete('/v1/users/me', stranger.accessToken).send({ password: PASSWORD }),
      401,
      'invalid_access_token',
    );
    expect(await isSignedIn(service, owner!.body.access_token)).toBe(true);
    expect(await eventsOf(service, stranger.userId, 'user.deleted')).toEqual([]);
  });

  it('takes no profile of the stranger’s that was under way', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    const back = await returnFromGoogle(world, sub);
    const changes = service.app.get(ProfileChanges, { strict: false });
    const write = changes.write.bind(changes);
    let owner: { body: { access_token: string } } | undefined;
    jest.spyOn(changes, 'write').mockImplementationOnce(async (...args) => {
      owner = await finish(world, back).expect(200);
      return write(...args);
    });
    const profile = { name: 'The Stranger', phone: '+919876543210', avatar_url: 'https://evil.test/b.png' };
    await expectProblem(
      service.client().patch('/v1/users/me', profile, stranger.accessToken),
      401,
      'invalid_access_token',
    );
    expect(await accountOf(service, stranger.person.email)).toMatchObject({
      name: 'The Owner',
      phone: null,
      avatar_url: null,
    });
    expect(await eventsOf(service, stranger.userId, 'user.updated')).toHaveLength(1);
    await service.client().patch('/v1/users/me', { name: 'I' }, owner!.body.access_token).expect(200);
  });

  it('keeps what an administrator wrote, who invited the owner: nobody has set it up yet', async () => {
    const { service } = world;
    const { accessToken } = await newAdministrator(service);
    const { email } = newPerson();
    const invited = {
      kind: 'person',
      email,
      name: 'Invited',
      phone: '+919876543210',
      timezone: 'Asia/Kolkata',
    };
    await service.client().post('/v1/users', invited, accessToken).expect(201);
    const before = await accountOf(service, email);
    const { sub } = newGooglePerson(world, { email, name: 'At Google' });
    const { body } = await signInWithGoogle(world, sub);
    expect(body.user).toMatchObject({ user_id: before.id, status: 'active' });
    const { name, phone, timezone, locale } = before;
    expect(name).toBe('Invited');
    expect(await accountOf(service, email)).toMatchObject({ name, phone, timezone, locale });
    const mail = await service.mailTo(email, /^Your account was confirmed with Google$/);
    expect(mail.text).not.toMatch(/password included|is gone/);
  });

  it('takes no link any more that was mailed before', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    const { email } = stranger.person;
    const verification = tokenIn(await service.mailTo(email, /verify/i));
    const reset = await askForReset(service, email);
    await signInWithGoogle(world, sub);
    await expectProblem(
      service.client().post('/v1/auth/email/verify', { token: verification }),
      400,
      'invalid_verification_token',
    );
    await expectProblem(
      service.client().post('/v1/auth/password/reset', { token: reset, new_password: NEW }),
      400,
      'invalid_reset_token',
    );
  });

  it('does not know the stranger’s device any more', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    await signInWithGoogle(world, sub, { token_delivery: 'body', device_fingerprint: 'the owner’s' });
    const rows = await service.db.query(`SELECT FROM known_devices WHERE user_id = $1`, [stranger.userId]);
    expect(rows).toHaveLength(1);
  });

  it('is not the owner’s when it is opened by another Google account', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    await service.db.query(
      `INSERT INTO auth_providers (provider, subject, user_id, linked_at) VALUES ('google', $1, $2, now())`,
      [`other-${sub}`, stranger.userId],
    );
    await mailsSent(service);
    const before = await rowsOf(stranger.person);
    const back = await returnFromGoogle(world, sub);
    await expectProblem(finish(world, back), 409, 'google_already_linked');
    expect(await rowsOf(stranger.person)).toEqual(before);
    expect(await isSignedIn(service, stranger.accessToken)).toBe(true);
  });

  it('is claimed once where the owner comes several times at once, and the owner stays signed in', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    const backs = await Promise.all(Array.from({ length: 5 }, () => returnFromGoogle(world, sub)));
    const replies = await Promise.all(backs.map((back) => finish(world, back)));
    expect(replies.map(({ body }) => body.user?.user_id)).toEqual(Array(5).fill(stranger.userId));
    for (const { body } of replies) expect(await isSignedIn(service, body.access_token)).toBe(true);
    expect(await eventsOf(service, stranger.userId, 'user.provider_linked')).toHaveLength(1);
    expect(await isSignedIn(service, stranger.accessToken)).toBe(false);
  });

  it('leaves the stranger no way in while the owner takes it over', async () => {
    const { service } = world;
    for (let round = 0; round < 4; round++) {
      const { stranger, sub } = await hijack();
      const back = await returnFromGoogle(world, sub);
      const login = { email: stranger.person.email, password: PASSWORD, token_delivery: 'body' };
      const [owner, ...tries] = await Promise.all([
        finish(world, back),
        ...Array.from({ length: 4 }, () => service.client().post('/v1/auth/login', login)),
        service.client().post('/v1/auth/refresh', { refresh_token: stranger.refreshToken }),
      ]);
      expect(owner.status).toBe(200);
      for (const { body } of tries) {
        if (body.access_token) expect(await isSignedIn(service, body.access_token)).toBe(false);
      }
      expect(await isSignedIn(service, owner.body.access_token)).toBe(true);
    }
  });

  it('is the owner’s or verified, never both halves, when the link is used at the same moment', async () => {
    const { service } = world;
    const { stranger, sub } = await hijack();
    const token = tokenIn(await service.mailTo(stranger.person.email, /verify/i));
    const back = await returnFromGoogle(world, sub);
    const [owner, link] = await Promise.all([
      finish(world, back),
      service.client().post('/v1/auth/email/verify', { token }),
    ]);
    expect(owner.status).toBe(200);
    const { password_hash, email_verified_at } = await accountOf(service, stranger.person.email);
    expect(email_verified_at).not.toBeNull();
    // The owner of the mailbox used the link first: then it is theirs with its password, and Google joined it.
    expect(password_hash === null).toBe(link.status === 400);
    expect(await providersOf(owner.body.access_token)).toEqual(['google']);
  });
});

it('never tells anybody of the address in an event', async () => {
  const person = newGooglePerson(world);
  await signInWithGoogle(world, person.sub);
  const rows = await world.service.db.query(
    `SELECT data::text || metadata::text AS text FROM ${WHOLE_EVENTS}`,
  );
  const texts = rows.map(({ text }: { text: string }) => text).join('\n');
  expect(texts).not.toContain('@');
  expect(texts).not.toContain(person.sub);
});

it('opens the account of whoever signs in, and not of the person of the account before', async () => {
  const [a, b] = [newPerson(), newPerson()].map((person) => newGooglePerson(world, { email: person.email }));
  const first = await signInWithGoogle(world, a!.sub);
  const second = await signInWithGoogle(world, b!.sub);
  expect([first.body.user.email, second.body.user.email]).toEqual([a!.email, b!.email]);
});
