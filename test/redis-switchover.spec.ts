import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { nearLookups } from '../src/infra/near/near-metrics';
import { RedisReplica } from './drill/redis-replica';
import { Address, startAddress } from './support/address';
import { eventually, startService, TestService } from './support/app';
import { newPerson, newSignedIn, PASSWORD, register } from './support/people';
import { OwnServers, startOwnServers } from './support/servers';
import { keepFromSaving } from './support/unsaving-redis';

/** How long an ended session is tried. */
const KNOCK_MS = 2_500;

/** How many questions were answered from memory. */
async function remembered(): Promise<number> {
  const { values } = await nearLookups.get();
  return values.find(({ labels }) => labels.result === 'hit')?.value ?? 0;
}

/** Planned, so nobody's connection ends: the former primary lives on as a replica, which for now gets nothing from the new one. */
describe('when another Redis is made the primary behind the same address', () => {
  let servers: OwnServers;
  let address: Address;
  let operator: Redis;
  let replica: RedisReplica;
  let service: TestService;

  beforeEach(async () => {
    servers = await startOwnServers();
    address = await startAddress(servers.redisUrl);
    operator = new Redis(servers.redisUrl);
    operator.on('error', () => undefined);
    service = await startService(
      {},
      { databaseUrl: servers.databaseUrl, redisUrl: address.url, drop: () => Promise.resolve() },
    );
    replica = await RedisReplica.start({ servers, redis: operator });
  }, 60_000);
  afterEach(async () => {
    await service.stop();
    operator.disconnect();
    await replica.stop();
    address.stop();
    await servers.stop();
  }, 30_000);

  const switchOver = async (): Promise<void> => {
    await replica.caughtUp();
    await replica.standAlone();
    await operator.config('SET', 'masterauth', 'not-its-password');
    await operator.replicaof('127.0.0.1', replica.port);
  };

  it('nobody is let in by the former one, and all goes on with the new one', async () => {
    const stays = await newSignedIn(service);
    const leaves = await newSignedIn(service);
    const me = (token: string): Promise<number> =>
      service
        .client()
        .get('/v1/users/me', token)
        .then(({ status }) => status);
    // Until the process remembers both.
    for (let i = 0; i < 20; i++) {
      expect([await me(stays.accessToken), await me(leaves.accessToken)]).toEqual([200, 200]);
      await sleep(20);
    }

    await switchOver();
    address.leadTo(replica.url);
    const other = await service.another();
    try {
      await eventually(
        async () => (await other.client().get('/health/ready')).status === 200,
        'the other process',
      );
      await other.client().post('/v1/auth/logout', {}, leaves.accessToken).expect(200);
      for (const end = performance.now() + KNOCK_MS; performance.now() < end; await sleep(10))
        expect([401, 503]).toContain(await me(leaves.accessToken));
      expect(await me(leaves.accessToken)).toBe(401);
      expect(await me(stays.accessToken)).toBe(200);

      // What one process ends, the other has not kept.
      await service.client().post('/v1/auth/logout', {}, stays.accessToken).expect(200);
      await other.client().get('/v1/users/me', stays.accessToken).expect(401);
      const again = await newSignedIn(service);
      // The new primary tells it of changes, as the former one did.
      await eventually(async () => {
        const before = await remembered();
        expect(await me(again.accessToken)).toBe(200);
        return (await remembered()) > before;
      }, 'what it has read to be remembered');
      await other.client().post('/v1/auth/logout', {}, again.accessToken).expect(200);
      await service.client().get('/v1/users/me', again.accessToken).expect(401);
    } finally {
      await other.stop();
    }
  });

  it.each([
    ['the former one', false],
    ['the former one, which says only that it cannot save,', true],
  ])('an instance whose address still leads to %s is not ready, and answers 503', async (_which, isFull) => {
    const { email } = await register(service, newPerson());
    const leaves = await newSignedIn(service);
    await service.client().get('/v1/users/me', leaves.accessToken).expect(200);
    await switchOver();
    if (isFull) await keepFromSaving(operator);
    const other = await service.another({ REDIS_URL: replica.url });
    try {
      await other.client().post('/v1/auth/logout', {}, leaves.accessToken).expect(200);
      for (const end = performance.now() + KNOCK_MS; performance.now() < end; await sleep(10))
        expect((await service.client().get('/v1/users/me', leaves.accessToken)).status).toBe(503);
    } finally {
      await other.stop();
    }
    await service.client().get('/health/ready').expect(503);
    await service.client().get('/health/live').expect(200);
    const login = { email, password: PASSWORD, token_delivery: 'body' };
    await service.client().post('/v1/auth/login', login).expect(503);
    address.leadTo(replica.url);
    await eventually(
      async () => (await service.client().get('/health/ready')).status === 200,
      'the instance to be ready again',
    );
    await service.client().post('/v1/auth/login', login).expect(200);
  });

  it('the former one, which nobody else has asked yet, refuses no refresh for good and clears nothing', async () => {
    await newSignedIn(service);
    await switchOver();
    const other = await service.another({ REDIS_URL: replica.url });
    try {
      const { refreshToken, userId } = await newSignedIn(other);
      const refresh = () => service.client().post('/v1/auth/refresh', { refresh_token: refreshToken });
      await refresh().expect(503);

      await operator.replicaof('NO', 'ONE');
      const ready = async () => (await service.client().get('/health/ready')).status === 200;
      await eventually(ready, 'the instance to be ready again');
      await operator.replicaof('127.0.0.1', replica.port);
      await expect(service.redis.clearPermissions(`authz:{${userId}}`, '')).rejects.toThrow('READONLY');

      address.leadTo(replica.url);
      await eventually(ready, 'the instance to be ready with the new one');
      await refresh().expect(200);
    } finally {
      await other.stop();
    }
  });
});
