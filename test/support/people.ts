import { randomBytes } from 'node:crypto';
import { TestService } from './app';

export const PASSWORD = 'Ganga-Sunrise-42!';

export interface Person {
  email: string;
  password: string;
  name: string;
}

export interface SignedIn {
  person: Person;
  userId: string;
  sessionId: string;
  accessToken: string;
  refreshToken: string;
}

/** Somebody nobody has seen before. */
export function newPerson(): Person {
  return { email: `p${randomBytes(6).toString('hex')}@example.org`, password: PASSWORD, name: 'Asha Rao' };
}

export async function register(service: TestService, person = newPerson()): Promise<Person> {
  await service.client().post('/v1/auth/register', person).expect(201);
  return person;
}

/** Signs in with the refresh token in the reply. */
export async function signIn(service: TestService, person: Person, more: object = {}): Promise<SignedIn> {
  const { email, password } = person;
  const { body } = await service
    .client()
    .post('/v1/auth/login', { email, password, token_delivery: 'body', ...more })
    .expect(200);
  return {
    person,
    userId: body.user.user_id,
    sessionId: body.session_id,
    accessToken: body.access_token,
    refreshToken: body.refresh_token,
  };
}

export async function newSignedIn(service: TestService): Promise<SignedIn> {
  return signIn(service, await register(service));
}

/** Signs up, verifies the address by the mailed link, and signs in. */
export async function newVerified(service: TestService, person = newPerson()): Promise<SignedIn> {
  await register(service, person);
  const token = tokenIn(await service.mailTo(person.email, /confirm|verify/i));
  await service.client().post('/v1/auth/email/verify', { token }).expect(200);
  return signIn(service, person);
}

/** Somebody with these roles, signed in; `admin` unless told otherwise. */
export async function newAdministrator(service: TestService, ...roles: string[]): Promise<SignedIn> {
  const person = await register(service);
  await service.db.query(
    `WITH proved AS (
       UPDATE users SET status = 'active', email_verified_at = now() WHERE email = $1 RETURNING id
     )
     INSERT INTO user_roles (user_id, role) SELECT id, unnest($2::text[]) FROM proved`,
    [person.email, roles.length > 0 ? roles : ['admin']],
  );
  return signIn(service, person);
}

/** Which of a route's two answers an access token gets: 200, or 401 because its session is over. */
export async function isSignedIn(service: TestService, accessToken: string): Promise<boolean> {
  const { status, body } = await service.client().get('/v1/users/me', accessToken);
  if (status !== 200) expect([status, body.code]).toEqual([401, 'invalid_access_token']);
  return status === 200;
}

/** The token in the link of a mail. */
export function tokenIn(mail: { text: string }): string {
  const [, token] = /[?&]token=([\w-]+)/.exec(mail.text) ?? [];
  if (!token) throw new Error('the mail holds no link with a token');
  return token;
}
