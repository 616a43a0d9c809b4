import { request } from 'node:http';
import { STREAM_KEY } from '../../src/infra/events/targets/redis-stream';
import { eventually, TestService } from './app';
import { eventsPublished } from './events-published';
import { newPerson, newSignedIn, PASSWORD, register, SignedIn, tokenIn } from './people';

/** People in every state that an outage must not change. */
export interface Cast {
  member: SignedIn;
  /** Signed out before; the access token is not over yet. */
  ended: SignedIn;
  resetToken: string;
  verificationToken: string;
}

export interface Answer {
  call: string;
  status: number;
  code?: string;
  retryAfter?: string;
  milliseconds: number;
}

interface Call {
  method: string;
  path: string;
  body?: object;
  token?: string;
}

export async function castFor(service: TestService): Promise<Cast> {
  const member = await newSignedIn(service);
  const ended = await newSignedIn(service);
  await service.client().post('/v1/auth/logout', {}, ended.accessToken).expect(200);
  const { email } = member.person;
  const verification = await service.mailTo(email, /confirm|verif/i);
  const forgetful = await register(service);
  await service.client().post('/v1/auth/password/reset-request', { email: forgetful.email }).expect(200);
  return {
    member,
    ended,
    resetToken: tokenIn(await service.mailTo(forgetful.email, /reset/i)),
    verificationToken: tokenIn(verification),
  };
}

/** Every call that needs a store, by a name. */
export function callsOf(cast: Cast): Record<string, Call> {
  const { member, ended } = cast;
  const { email } = member.person;
  const post = (path: string, body: object, token?: string): Call => ({ method: 'POST', path, body, token });
  const get = (path: string, token: string): Call => ({ method: 'GET', path, token });
  return {
    me: get('/v1/users/me', member.accessToken),
    sessions: get('/v1/auth/sessions', member.accessToken),
    register: post('/v1/auth/register', newPerson()),
    login: post('/v1/auth/login', { email, password: PASSWORD, token_delivery: 'body' }),
    'wrong password': post('/v1/auth/login', { email, password: 'Wrong-Password-1!' }),
    refresh: post('/v1/auth/refresh', { refresh_token: member.refreshToken }),
    'ended session': get('/v1/users/me', ended.accessToken),
    'refresh of an ended session': post('/v1/auth/refresh', { refresh_token: ended.refreshToken }),
    'update profile': {
      method: 'PATCH',
      path: '/v1/users/me',
      body: { name: 'Asha R.' },
      token: member.accessToken,
    },
    'reset request': post('/v1/auth/password/reset-request', { email }),
    reset: post('/v1/auth/password/reset', { token: cast.resetToken, new_password: 'Monsoon-Kettle-77!' }),
    'verify email': post('/v1/auth/email/verify', { token: cast.verificationToken }),
    logout: post('/v1/auth/logout', { all_devices: false }, member.accessToken),
  };
}

/** What needs no store: gateways go on checking tokens, and nobody restarts the process for nothing. */
export const storeless: Record<string, Call> = {
  keys: { method: 'GET', path: '/.well-known/jwks.json' },
  'keys under /v1/auth': { method: 'GET', path: '/v1/auth/.well-known/jwks.json' },
  live: { method: 'GET', path: '/health/live' },
};

/** Makes these calls at once, each from a client address of its own; fails those that take five seconds. */
export async function callAll(service: TestService, calls: Record<string, Call>): Promise<Answer[]> {
  return Promise.all(Object.entries(calls).map(([call, how]) => ask(service, call, how)));
}

async function ask(service: TestService, call: string, { method, path, body, token }: Call): Promise<Answer> {
  const asked = performance.now();
  const reply = await fetchFrom(service.client().ip, service.url + path, method, body, token);
  return {
    call,
    status: reply.status,
    code: (JSON.parse(reply.text) as { code?: string }).code,
    retryAfter: reply.retryAfter,
    milliseconds: Math.round(performance.now() - asked),
  };
}

function fetchFrom(
  ip: string,
  url: string,
  method: string,
  body?: object,
  token?: string,
): Promise<{ status: number; text: string; retryAfter?: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      {
        method,
        timeout: 5_000,
        headers: {
          'X-Forwarded-For': ip,
          ...(body && { 'Content-Type': 'application/json' }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
      },
      (reply) => {
        let text = '';
        reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        reply.on('end', () =>
          resolve({ status: reply.statusCode!, text, retryAfter: reply.headers['retry-after'] }),
        );
      },
    );
    call.on('timeout', () => call.destroy(new Error(`${method} ${url} hangs`)));
    call.on('error', reject);
    call.end(body && JSON.stringify(body));
  });
}

/** Status of each call, by name. */
export const statuses = (answers: Answer[]): Record<string, number> =>
  Object.fromEntries(answers.map(({ call, status }) => [call, status]));

export const slowest = (answers: Answer[]): number =>
  Math.max(...answers.map(({ milliseconds }) => milliseconds));

/** Every refusal is the one problem that tells a client to try again. */
export function expectUnavailable(answers: Answer[]): void {
  for (const answer of answers.filter(({ status }) => status >= 500)) {
    expect(answer).toMatchObject({ status: 503, code: 'unavailable', retryAfter: '1' });
  }
}

/** Waits until the service works again, and then has everything work. */
export async function expectRecovery(service: TestService, cast: Cast, withinMs = 5_000): Promise<void> {
  const { me, ...rest } = callsOf(cast);
  await eventually(
    async () => {
      const [answer] = await callAll(service, { me: me! });
      return answer?.status === 200;
    },
    'recovery',
    withinMs,
  );
  const { logout, ...before } = rest;
  expect(statuses(await callAll(service, before))).toEqual({
    sessions: 200,
    register: 201,
    login: 200,
    'wrong password': 401,
    refresh: 200,
    'ended session': 401,
    'refresh of an ended session': 401,
    'update profile': 200,
    'reset request': 200,
    reset: 200,
    'verify email': 200,
  });
  expect(statuses(await callAll(service, { logout: logout!, me: me! })).logout).toBe(200);
}

/** Every account is whole, and the stream holds each recorded event and no other. */
export async function expectNothingLost(service: TestService): Promise<void> {
  await eventually(() => eventsPublished((sql) => service.db.query(sql)), 'all events to be published');
  const recorded = await service.db.query('SELECT event_id FROM events');
  const streamed = (await service.redis.xrange(STREAM_KEY, '-', '+')).map(([, fields]) => fields[1]);
  expect(new Set(streamed)).toEqual(new Set(recorded.map((row: { event_id: string }) => row.event_id)));

  const [{ halves }] = await service.db.query(`
    SELECT count(*)::int AS halves FROM users u
    WHERE NOT EXISTS (SELECT FROM user_roles WHERE user_id = u.id)
       OR NOT EXISTS (SELECT FROM events WHERE subject = 'user:' || u.id AND event_type = 'user.registered')`);
  expect(halves).toBe(0);
  const [{ ghosts }] = await service.db.query(`
    SELECT count(*)::int AS ghosts FROM events e
    WHERE event_type = 'user.registered' AND NOT EXISTS (SELECT FROM users WHERE 'user:' || id = e.subject)`);
  expect(ghosts).toBe(0);
}

/** Counts of recorded events by type, to see that a refused call has left none. */
export async function eventCounts(service: TestService): Promise<Record<string, number>> {
  const rows = await service.db.query('SELECT event_type, count(*)::int FROM events GROUP BY 1');
  return Object.fromEntries(
    rows.map((row: { event_type: string; count: number }) => [row.event_type, row.count]),
  );
}
