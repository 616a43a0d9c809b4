import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { ImpatientClient } from '../src/infra/database/impatient-client';
import { isUnavailable } from '../src/infra/unavailable';
import { eventually, startService, TestService } from './support/app';
import {
  Answer,
  callAll,
  callsOf,
  Cast,
  castFor,
  eventCounts,
  expectNothingLost,
  expectRecovery,
  expectUnavailable,
  slowest,
  statuses,
  storeless,
} from './support/outage';
import { OwnServers, startOwnServers } from './support/servers';

const MAX_CONNECTIONS = 40;

/** The list of sessions lives in Redis alone, and who has signed out stays out. */
const WITHOUT_POSTGRES = {
  me: 503,
  sessions: 200,
  register: 503,
  login: 503,
  'wrong password': 503,
  refresh: 503,
  'ended session': 401,
  'refresh of an ended session': 503,
  'update profile': 503,
  'reset request': 503,
  reset: 503,
  'verify email': 503,
  logout: 503,
};

describe('while PostgreSQL', () => {
  let servers: OwnServers;
  let service: TestService;
  let cast: Cast;
  let before: Record<string, number>;

  beforeAll(async () => {
    servers = await startOwnServers({ maxConnections: MAX_CONNECTIONS });
    service = await startService(
      { RATELIMIT_REFRESH_ATTEMPTS: '1000', RATELIMIT_PASSWORD_RESET_ATTEMPTS: '1000' },
      { ...servers, drop: () => Promise.resolve() },
    );
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await servers.stop();
  });
  beforeEach(async () => {
    cast = await castFor(service);
    before = await eventCounts(service);
  });

  /** Every call at once, then each four times at once: more than there are connections. */
  const outage = async (): Promise<void> => {
    const calls = callsOf(cast);
    const rounds: Answer[][] = [];
    for (const times of [1, 4]) {
      const answers = await Promise.all(Array.from({ length: times }, () => callAll(service, calls)));
      for (const round of answers) expect(statuses(round)).toEqual(WITHOUT_POSTGRES);
      rounds.push(...answers);
    }
    expect(statuses(await callAll(service, storeless))).toEqual({
      keys: 200,
      'keys under /v1/auth': 200,
      live: 200,
    });
    for (const round of rounds) {
      expectUnavailable(round);
      expect(slowest(round)).toBeLessThan(2_000);
    }
  };

  const recovery = async (): Promise<void> => {
    await expectRecovery(service, cast);
    await expectNothingLost(service);
  };

  it('hangs, everything that needs it answers 503 within two seconds, and works again by itself', async () => {
    servers.freezePostgres();
    await outage();
    servers.thawPostgres();
    await recovery();
  });

  it('is away, tries to sign in that it spoils are not held against anybody', async () => {
    const client = service.client();
    const { email, password } = cast.member.person;
    servers.freezePostgres();
    for (let i = 0; i < 3; i++) {
      const tries = [1, 2].map(() => client.post('/v1/auth/login', { email, password }).expect(503));
      await Promise.all(tries);
    }
    servers.thawPostgres();
    await eventually(
      async () => (await callAll(service, { me: callsOf(cast).me! }))[0]?.status === 200,
      'recovery',
    );
    await client.post('/v1/auth/login', { email, password }).expect(200);
  });

  it('is killed, everything that needs it answers 503 at once, and works again by itself', async () => {
    await servers.killPostgres();
    await outage();
    await servers.restartPostgres();
    expect(await eventCounts(service)).toEqual(before);
    await recovery();
  });

  it('has no connection to give, everything that needs it answers 503, and works again by itself', async () => {
    const crowd = await takeAllConnections(servers.databaseUrl);
    await outage();
    await Promise.all(crowd.map((client) => client.end()));
    await recovery();
  });

  it('ends a connection between two statements, the transaction fails as with a PostgreSQL that is away', async () => {
    const interrupted = service.db.transaction(async (tx) => {
      const [{ pid }] = await tx.query('SELECT pg_backend_pid() AS pid');
      await service.db.query('SELECT pg_terminate_backend($1)', [pid]);
      await sleep(200);
      await tx.query('SELECT 1');
    });
    expect(isUnavailable(await interrupted.catch((error: unknown) => error))).toBe(true);
  });

  it('ends a connection that nobody has in hand just then, the process goes on', async () => {
    const client = new ImpatientClient({ connectionString: servers.databaseUrl });
    await client.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await service.db.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
    await sleep(200);
    await expect(client.query('SELECT 1')).rejects.toThrow();
  });
});

/** Idle clients of somebody else's, on every connection there is. */
async function takeAllConnections(databaseUrl: string): Promise<Client[]> {
  const crowd: Client[] = [];
  const join = async (): Promise<boolean> => {
    const client = new Client({ connectionString: databaseUrl, application_name: 'crowd' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      crowd.push(client);
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: '53300' });
      return false;
    }
  };
  await join();
  for (let mine = 0; mine < MAX_CONNECTIONS;) {
    await crowd[0]!.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND application_name <> 'crowd'`,
    );
    while (await join());
    mine = crowd.length;
  }
  return crowd;
}
