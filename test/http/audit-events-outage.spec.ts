import { eventually, startService, TestService } from '../support/app';
import { auditEvents } from '../support/audit-events';
import { newAdministrator, newSignedIn, SignedIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { refuseWrites } from '../support/refused-writes';
import { OwnServers, startOwnServers } from '../support/servers';
import { newKey, newServiceAccount, withKey } from '../support/services';
import { forgotten } from '../support/forgotten';

describe('while a store is away', () => {
  let servers: OwnServers;
  let service: TestService;
  let admin: SignedIn;
  let person: SignedIn;
  let apiKey: string;
  beforeAll(async () => {
    servers = await startOwnServers();
    service = await startService({}, { ...servers, drop: () => Promise.resolve() });
    admin = await newAdministrator(service);
    person = await newSignedIn(service);
    const robot = await newServiceAccount(service, 'audit:read');
    ({ apiKey } = await newKey(service, admin, robot, ['audit:read']));
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await servers.stop();
  });

  const own = () => auditEvents(service, person.accessToken);
  const others = () => auditEvents(service, admin.accessToken, { user_id: person.userId });
  const byKey = () => withKey(auditEvents(service, undefined, { user_id: person.userId }), apiKey);
  const works = () =>
    eventually(
      async () => (await own()).status === 200 && (await byKey()).status === 200,
      'events to be shown again',
      8_000,
    );
  const looks = async (): Promise<number> => {
    const [row] = await service.db.query(
      `SELECT count(*)::int AS looks FROM events WHERE event_type = 'audit.read'`,
    );
    return row.looks;
  };

  it.each(['hangs', 'is killed'])('no events are shown while PostgreSQL %s', async (how) => {
    await own().expect(200);
    if (how === 'hangs') servers.freezePostgres();
    else await servers.killPostgres();
    const begin = performance.now();
    await Promise.all([own(), others(), byKey()].map((ask) => expectProblem(ask, 503, 'unavailable')));
    expect(performance.now() - begin).toBeLessThan(2_500);
    if (how === 'hangs') servers.thawPostgres();
    else await servers.restartPostgres();
    await works();
  });

  it.each(['hangs', 'is killed'])('a session shows none while Redis %s', async (how) => {
    await own().expect(200);
    if (how === 'hangs') servers.freezeRedis();
    else await servers.killRedis();
    await forgotten();
    await Promise.all([own(), others()].map((ask) => expectProblem(ask, 503, 'unavailable')));
    // A key is in PostgreSQL, and so is what its account may do.
    const before = await looks();
    await byKey().expect(200);
    expect(await looks()).toBe(before + 1);
    if (how === 'hangs') servers.thawRedis();
    else await servers.restartRedis();
    await works();
  });

  it('nothing is shown of somebody else where the look cannot be recorded', async () => {
    await others().expect(200);
    const before = await looks();
    const refusal = { table: 'events', of: 'INSERT', message: 'no space left', code: 'disk_full' };
    const accept = await refuseWrites(service.db, refusal);
    try {
      await expectProblem(others(), 503, 'unavailable');
      await expectProblem(byKey(), 503, 'unavailable');
      await own().expect(200);
    } finally {
      await accept();
    }
    expect(await looks()).toBe(before);
  });
});
