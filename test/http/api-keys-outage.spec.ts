import { eventually, startService, TestService } from '../support/app';
import { newAdministrator, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { OwnServers, startOwnServers } from '../support/servers';
import { keysOf, newKey, NewKey, newServiceAccount, withKey } from '../support/services';
import { forgotten } from '../support/forgotten';

describe('an API key', () => {
  let servers: OwnServers;
  let service: TestService;
  let admin: SignedIn;
  let owner: string;
  let key: NewKey;
  beforeAll(async () => {
    servers = await startOwnServers();
    service = await startService({}, { ...servers, drop: () => Promise.resolve() });
    admin = await newAdministrator(service);
    owner = await newServiceAccount(service, 'user:read');
    key = await newKey(service, admin, owner, ['user:read']);
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await servers.stop();
  });

  const call = () => withKey(service.client().get(keysOf(owner)), key.apiKey);
  const works = () => eventually(async () => (await call()).status === 200, 'the key to work again', 8_000);

  it.each(['hangs', 'is killed'])('opens what needs PostgreSQL alone while Redis %s', async (how) => {
    await call().expect(200);
    if (how === 'hangs') servers.freezeRedis();
    else await servers.killRedis();
    await forgotten();
    const begin = performance.now();
    const replies = await Promise.all(Array.from({ length: 10 }, () => call().expect(200)));
    expect(performance.now() - begin).toBeLessThan(2_000);
    expect(replies.every(({ body }) => body.total === 1)).toBe(true);
    // A person's session is in Redis.
    await expectProblem(service.client().get(keysOf(owner), admin.accessToken), 503, 'unavailable');
    if (how === 'hangs') servers.thawRedis();
    else await servers.restartRedis();
    await works();
  });

  it.each(['hangs', 'is killed'])('opens nothing while PostgreSQL %s', async (how) => {
    await call().expect(200);
    if (how === 'hangs') servers.freezePostgres();
    else await servers.killPostgres();
    const begin = performance.now();
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => expectProblem(call(), 503, 'unavailable')),
    );
    expect(performance.now() - begin).toBeLessThan(2_000);
    expect(replies).toHaveLength(10);
    // What needs no store to be refused is refused as ever.
    const wrong = key.apiKey.toLowerCase();
    await expectProblem(withKey(service.client().get(keysOf(owner)), wrong), 401, 'invalid_api_key');
    if (how === 'hangs') servers.thawPostgres();
    else await servers.restartPostgres();
    await works();
  });
});
