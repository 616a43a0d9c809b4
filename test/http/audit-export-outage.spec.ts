import { unavailable } from '../../src/common/common.errors';
import { KMS, Kms } from '../../src/infra/kms/kms';
import { eventually, startService, TestService } from '../support/app';
import { addEvents, exportsOf, MadeExport, slowParts } from '../support/audit-exports';
import { newSignedIn, SignedIn, signIn } from '../support/people';
import { expectProblem } from '../support/problem';
import { OwnServers, startOwnServers } from '../support/servers';
import { forgotten } from '../support/forgotten';

describe('exports while something is away', () => {
  let servers: OwnServers;
  let service: TestService;
  let person: SignedIn;
  beforeAll(async () => {
    servers = await startOwnServers();
    service = await startService(
      { RATELIMIT_AUDIT_EXPORTS: '3' },
      { ...servers, drop: () => Promise.resolve() },
    );
    person = await newSignedIn(service);
    await addEvents(service, person.userId, 3_000);
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await servers.stop();
  });
  afterEach(() => jest.restoreAllMocks());

  const mine = () => exportsOf(service, person);
  const left = async (): Promise<unknown> => {
    const [counts] = await service.db.query(
      `SELECT (SELECT count(*)::int FROM audit_exports WHERE user_id = $1) AS exports,
         (SELECT count(*)::int FROM events WHERE subject = $2 AND event_type = 'audit.exported') AS events`,
      [person.userId, `user:${person.userId}`],
    );
    return counts;
  };
  const works = () =>
    eventually(async () => (await mine().list()).status === 200, 'the service to work', 8_000);
  const refuse = (method: 'wrap' | 'unwrap'): void => {
    jest.spyOn(service.app.get<Kms>(KMS), method).mockImplementation(() => Promise.reject(unavailable()));
  };

  it.each(['Redis', 'PostgreSQL'])('are refused with 503 within two seconds without %s', async (store) => {
    const before = await left();
    const made =
      store === 'Redis' ? (await mine().make({ format: 'json', event_type: 'user.login' })).made : null;
    if (store === 'Redis') servers.freezeRedis();
    else servers.freezePostgres();
    await forgotten();
    const begin = performance.now();
    const calls = [mine().create({ format: 'json' }), mine().list()];
    if (made) calls.push(mine().get(made.export_id));
    await Promise.all(calls.map((call) => expectProblem(call, 503, 'unavailable')));
    expect(performance.now() - begin).toBeLessThan(3_000);
    if (store === 'Redis') servers.thawRedis();
    else servers.thawPostgres();
    await works();
    if (!made) expect(await left()).toEqual(before);
    else expect(await left()).toEqual({ exports: 1, events: 1 });
  });

  it('are refused, and leave nothing behind, not even a use of the limit, without the KMS', async () => {
    person = await newSignedIn(service);
    refuse('wrap');
    for (let i = 0; i < 5; i++) await expectProblem(mine().create({ format: 'csv' }), 503, 'unavailable');
    expect(await left()).toEqual({ exports: 0, events: 0 });
    jest.restoreAllMocks();
    const { made } = await mine().make({ format: 'csv' });
    refuse('unwrap');
    await expectProblem(mine().get(made.export_id), 503, 'unavailable');
    jest.restoreAllMocks();
    await mine().get(made.export_id).expect(200);
  });

  it('are written on when PostgreSQL, or the KMS, has come back', async () => {
    person = await newSignedIn(service);
    await addEvents(service, person.userId, 3_000);
    await slowParts(service, 0.25);
    const made = (await mine().create({ format: 'json' }).expect(201)).body as MadeExport;
    expect(made.status).toBe('preparing');
    refuse('unwrap');
    await servers.killPostgres();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await servers.restartPostgres();
    await works();
    await slowParts(service, null);
    // Whoever wrote it is taken for dead; the first to go on finds no KMS.
    service.advance(11_000);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect((await mine().get(made.export_id)).status).toBe(202);
    jest.restoreAllMocks();
    service.advance(6_000);
    const file = await mine().file(made.export_id);
    expect(file.body.events).toHaveLength(made.total_events);
    expect(new Set(file.body.events.map(({ event_id }: { event_id: string }) => event_id)).size).toBe(
      made.total_events,
    );
    expect((await signIn(service, person.person)).userId).toBe(person.userId);
  }, 40_000);
});
