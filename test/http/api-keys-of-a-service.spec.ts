import type { Response } from 'supertest';
import { eventsOf } from '../support/account-rows';
import { startService, TestService } from '../support/app';
import { addRole } from '../support/authority';
import { newAdministrator, newVerified, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { keysOf, newKey, NewKey, withKey } from '../support/services';

describe('a service', () => {
  let service: TestService;
  let other: TestService;
  let admin: SignedIn;
  beforeAll(async () => {
    service = await startService();
    other = await service.another();
    admin = await newAdministrator(service);
    await addRole(service, 'directory', ['user:read', 'authz:check']);
  });
  afterAll(async () => {
    await other.stop();
    await service.stop();
  });

  let userId: string;
  let key: NewKey;
  beforeEach(async () => {
    const { body } = await service
      .client()
      .post('/v1/users', { kind: 'service', name: 'Order router' }, admin.accessToken)
      .expect(201);
    userId = body.user_id;
    await setRoles('directory').expect(200);
    key = await newKey(service, admin, userId, ['user:read']);
  });

  const setRoles = (...roles: string[]) =>
    service.client().put(`/v1/users/${userId}/roles`, { roles }, admin.accessToken);
  const users = (on = service) => withKey(on.client().get('/v1/users?limit=1'), key.apiKey);
  const me = (apiKey = key.apiKey) => withKey(service.client().get('/v1/users/me'), apiKey);

  it('gets an account, a role and a key, works with it, and is out when the key is revoked', async () => {
    for (const on of [service, other]) {
      expect((await users(on).expect(200)).body.items).toHaveLength(1);
    }
    await service.client().delete(`/v1/api-keys/${key.keyId}`, admin.accessToken).expect(204);
    for (const on of [service, other]) await expectProblem(users(on), 401, 'invalid_api_key');
    const types = (await eventsOf(service, userId)).map(({ type, actor }) => [type, actor]);
    expect(types).toEqual(
      ['user.registered', 'role.assigned', 'api_key.created', 'api_key.revoked'].map((type) => [
        type,
        `user:${admin.userId}`,
      ]),
    );
  });

  it('is told who it is, and only what its key allows', async () => {
    const { body } = await me().expect(200);
    expect(body).toMatchObject({
      user_id: userId,
      email: null,
      name: 'Order router',
      status: 'active',
      roles: ['directory'],
      permissions: ['user:read'],
    });
    const more = await newKey(service, admin, userId, ['user:read', 'authz:check']);
    expect((await me(more.apiKey).expect(200)).body.permissions).toEqual(['authz:check', 'user:read']);
    await setRoles().expect(200);
    expect((await me(more.apiKey).expect(200)).body.permissions).toEqual([]);
  });

  it('checks the permissions of others only with a key that names authz:check', async () => {
    const person = await newVerified(service);
    const check = (apiKey: string) =>
      withKey(
        service.client().post('/v1/authz/check', {
          user_id: person.userId,
          permission: 'trading_account:view',
        }),
        apiKey,
      );
    await expectProblem(check(key.apiKey), 403, 'permission_denied');
    const { apiKey } = await newKey(service, admin, userId, ['authz:check']);
    expect((await check(apiKey).expect(200)).body.allowed).toBe(true);
  });

  it('loses and regains what it may do with its role, on every instance at once', async () => {
    for (let i = 0; i < 3; i++) {
      await users(other).expect(200);
      await setRoles('viewer').expect(200);
      for (const on of [other, service]) await expectProblem(users(on), 403, 'permission_denied');
      await setRoles('directory').expect(200);
      await users(other).expect(200);
    }
    await setRoles('admin').expect(200);
    // More for the account is no more for the key.
    await expectProblem(
      withKey(service.client().post('/v1/users', { kind: 'service', name: 'x' }), key.apiKey),
      403,
      'permission_denied',
    );
  });

  it('is out while it is suspended, and back with the same key', async () => {
    const change = (what: string) =>
      service.client().post(`/v1/users/${userId}/${what}`, {}, admin.accessToken).expect(200);
    await users(other).expect(200);
    await change('suspend');
    await expectProblem(users(other), 401, 'invalid_api_key');
    await expectProblem(me(), 401, 'invalid_api_key');
    await change('reactivate');
    await users(other).expect(200);
  });

  it('loses every key with its account', async () => {
    await newKey(service, admin, userId, ['authz:check']);
    await service.client().delete(`/v1/users/${userId}`, admin.accessToken).expect(200);
    await expectProblem(users(other), 401, 'invalid_api_key');
    expect(await eventsOf(service, userId, 'api_key.revoked')).toHaveLength(2);
    const [deleted] = await eventsOf(service, userId, 'user.deleted');
    expect(deleted!.data.api_keys_revoked).toBe(2);
    await expectProblem(
      service.client().delete(`/v1/api-keys/${key.keyId}`, admin.accessToken),
      404,
      'not_found',
    );
    await expectProblem(service.client().get(keysOf(userId), admin.accessToken), 404, 'not_found');
  });

  it('never has a key left over when it is deleted while keys are made for it', async () => {
    const make = (): Promise<Response> =>
      service
        .client()
        .post(keysOf(userId), { name: 'x', permissions: ['user:read'] }, admin.accessToken)
        .then((reply) => reply);
    const making = Array.from({ length: 10 }, make);
    const deleting = service
      .client()
      .delete(`/v1/users/${userId}`, admin.accessToken)
      .then((reply) => reply);
    const replies = await Promise.all([...making, ...Array.from({ length: 9 }, make)]);
    expect((await deleting).status).toBe(200);
    const made = replies.filter(({ status }) => status === 201);
    for (const { body } of made) await expectProblem(me(body.api_key), 401, 'invalid_api_key');
    for (const { status, body } of replies.filter((reply) => !made.includes(reply))) {
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
    const [{ living }] = await service.db.query(
      `SELECT count(*)::int AS living FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL`,
      [userId],
    );
    expect(living).toBe(0);
  });
});
