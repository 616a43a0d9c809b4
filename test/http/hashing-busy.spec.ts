import { hashSync as bcryptHash } from 'bcrypt';
import type { Test } from 'supertest';
import { startService, TestService } from '../support/app';
import { setPasswordHash } from '../support/account-rows';
import { askForReset } from '../support/mailed-links';
import { newPerson, newSignedIn, PASSWORD, Person, register, signIn } from '../support/people';
import { expectProblem } from '../support/problem';

const NEW = 'Kaveri-Morning-77?';

describe('while all hashing threads are busy and the queue is full', () => {
  let service: TestService;
  let slow: Person;
  beforeAll(async () => {
    service = await startService({ PASSWORD_HASH_QUEUE: '1' });
    slow = await register(service);
    // To compare with this takes half a second, and fails.
    await setPasswordHash(service, slow.email, bcryptHash(slow.password, 4).replace('$04$', '$13$'));
  });
  afterAll(() => service.stop());

  /** Does the work while one hash is in the only thread and another one waits. */
  async function whileBusy(work: () => Promise<void>): Promise<void> {
    const { email, password } = slow;
    const others = [1, 2, 3].map(async () => {
      const { status } = await service.client().post('/v1/auth/login', { email, password });
      return status;
    });
    // The third finds the queue full.
    expect(await Promise.race(others)).toBe(503);
    await work();
    expect((await Promise.all(others)).sort()).toEqual([401, 401, 503]);
  }

  /** One more than may fail; in two bursts, to be done before the first hash is. */
  async function refuseSix(ask: () => Test): Promise<void> {
    for (let i = 0; i < 2; i++) {
      await Promise.all([1, 2, 3].map(() => expectProblem(ask(), 503, 'hashing_busy')));
    }
  }

  it('refuses sign-in at once, and counts no such try as a failure', async () => {
    const { email, password } = await register(service);
    const client = service.client();
    const login = () => client.post('/v1/auth/login', { email, password });
    await whileBusy(async () => {
      await refuseSix(login);
    });
    await login().expect(200);
  });

  it('refuses sign-up, and makes no account', async () => {
    const person = newPerson();
    await whileBusy(async () => {
      await expectProblem(service.client().post('/v1/auth/register', person), 503, 'hashing_busy');
    });
    await service
      .client()
      .post('/v1/auth/login', { email: person.email, password: person.password })
      .expect(401);
    await register(service, person);
  });

  it('refuses a change of password, and counts no such try as a guess', async () => {
    const { accessToken, person } = await newSignedIn(service);
    const body = { current_password: PASSWORD, new_password: NEW };
    const change = () => service.client().post('/v1/users/change-password', body, accessToken);
    await whileBusy(async () => {
      await refuseSix(change);
    });
    await change().expect(200);
    await signIn(service, { ...person, password: NEW });
  });

  it('refuses a reset, and leaves its token good', async () => {
    const { email } = await register(service);
    const token = await askForReset(service, email);
    const reset = () => service.client().post('/v1/auth/password/reset', { token, new_password: NEW });
    await whileBusy(async () => {
      await expectProblem(reset(), 503, 'hashing_busy');
    });
    await reset().expect(200);
  });

  it('serves everything else as ever', async () => {
    const { accessToken, refreshToken } = await newSignedIn(service);
    await whileBusy(async () => {
      await service.client().get('/v1/users/me', accessToken).expect(200);
      await service.client().post('/v1/auth/refresh', { refresh_token: refreshToken }).expect(200);
      await service.client().get('/health/ready').expect(200);
    });
  });
});
