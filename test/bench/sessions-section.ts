import { Redis } from 'ioredis';
import { BenchService, Member, startBenchService } from './bench-service';
import { Child } from './child';
import { Lane, LoadJob, LoadResult } from './load';
import { CHECK, SESSIONS } from './measures';
import { insertPeople, LOW_COST, settled, signInPeople } from './people';
import { Row, summarise } from './report';
import { BenchOptions, Report } from './section';
import { startServers } from './servers';
import { copySessions } from './stored-sessions';

/** Who asks: the same number in both, each with a session of its own. */
const ACTIVE = 1_000;
const CLIENTS = 16;
const SECONDS = 2;
/** Before those. */
const LEAD = 0.25;
/** Of the people who only have sessions. */
const SESSIONS_EACH = 3;

/** A service on a Redis database of its own. */
interface Side {
  service: BenchService;
  members: Member[];
  refreshes: Lane[];
}

interface Pair {
  few: number;
  many: number;
}

interface Round {
  refresh: Pair;
  read: Pair;
  check: Pair;
  bytes: number;
}

const NOTES = `
Two services on the same PostgreSQL, each on a database of its own in the same Redis, asked by turns by 16 clients that go
round the same 1,000 people's sessions. All others belong to people with three each, in the very form in which the
service has stored three sign-ins. Bytes are what used_memory of INFO grew by, for each of them.
`;

/** Whether many stored sessions make a refresh or a guarded GET slower, and what one takes in Redis. */
export async function sessionsSection({ quick, rounds: count, processes }: BenchOptions): Promise<Report> {
  const active = quick ? 200 : ACTIVE;
  const stored = quick ? 20_000 : 200_000;
  const servers = await startServers();
  const load = new Child<LoadJob, LoadResult>('load');
  const sides: Side[] = [];
  const rounds: Round[] = [];
  try {
    for (const number of [0, 1]) {
      const service = await startBenchService(servers.folder, {
        DATABASE_URL: servers.databaseUrl,
        REDIS_URL: databaseOf(servers.redisUrl, number),
        PASSWORD_BCRYPT_COST: String(LOW_COST),
        WEB_CONCURRENCY: String(processes),
      });
      sides.push({ service, members: [], refreshes: [] });
      if (number === 0) await insertPeople(servers.databaseUrl, active + 1);
    }
    for (const side of sides) await signIn(load, side, active);
    const bytes = await fill(load, sides[1]!, databaseOf(servers.redisUrl, 1), active, stored - active);
    await settled(servers.databaseUrl);
    const [few, many] = sides as [Side, Side];
    await roundOf(load, few, many, bytes);
    while (rounds.length < count) {
      rounds.push(await roundOf(load, few, many, bytes));
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
  } finally {
    load.stop();
    for (const { service } of sides) await service.stop();
    await servers.stop();
  }
  return {
    heading: `${stored} stored sessions against ${active}, WEB_CONCURRENCY=${processes}`,
    lines: summarise(rows, rounds),
    rounds,
    notes: NOTES,
  };
}

const databaseOf = (redisUrl: string, number: number): string =>
  Object.assign(new URL(redisUrl), { pathname: `/${number}` }).href;

async function signIn(load: Child<LoadJob, LoadResult>, side: Side, count: number): Promise<void> {
  side.members = await signInPeople(load, side.service.url, 0, count);
  side.refreshes = side.members.map(({ refreshToken }) => ({
    method: 'POST',
    path: '/v1/auth/refresh',
    body: { refresh_token: refreshToken },
    chained: true,
  }));
}

/** @returns bytes of Redis for each session. */
async function fill(
  load: Child<LoadJob, LoadResult>,
  { service }: Side,
  redisUrl: string,
  model: number,
  count: number,
): Promise<number> {
  const redis = new Redis(redisUrl);
  try {
    let userId = '';
    for (let i = 0; i < SESSIONS_EACH; i++)
      userId = (await signInPeople(load, service.url, model, 1))[0]!.userId;
    return await copySessions(redis, userId, Math.round(count / SESSIONS_EACH), SESSIONS_EACH);
  } finally {
    redis.disconnect();
  }
}

async function roundOf(
  load: Child<LoadJob, LoadResult>,
  few: Side,
  many: Side,
  bytes: number,
): Promise<Round> {
  const pair = async (lanesOf: (side: Side) => Lane[]): Promise<Pair> => {
    const rates = new Map<Side, number[]>([few, many].map((side) => [side, []]));
    // There and back, so that whatever grows meanwhile grows for both.
    for (const side of [few, many, many, few]) rates.get(side)!.push(await rate(load, side, lanesOf(side)));
    const mean = (side: Side): number => rates.get(side)!.reduce((sum, each) => sum + each, 0) / 2;
    return { few: mean(few), many: mean(many) };
  };
  const asked = (what: Pick<Lane, 'method' | 'path' | 'body'>) => (side: Side) =>
    side.members.map(({ accessToken }): Lane => ({ ...what, token: accessToken }));
  return {
    refresh: await pair(({ refreshes }) => refreshes),
    read: await pair(asked(SESSIONS)),
    check: await pair(asked(CHECK)),
    bytes,
  };
}

async function rate(load: Child<LoadJob, LoadResult>, side: Side, lanes: Lane[]): Promise<number> {
  const result = await load.run({
    url: side.service.url,
    lanes,
    seconds: SECONDS,
    lead: LEAD,
    clients: CLIENTS,
  });
  if (lanes === side.refreshes) side.refreshes = result.lanes;
  return result.perSecond;
}

const compared = (what: string, read: (round: Round) => Pair, isTarget: boolean): Row<Round> => ({
  what,
  unit: '/s',
  read: (round) => read(round).many,
  bound: { what: 'among few', read: (round) => read(round).few },
  ...(isTarget && { target: { atLeast: 0.95 } }),
});

const rows: Row<Round>[] = [
  compared('refresh', ({ refresh }) => refresh, true),
  compared('GET /v1/auth/sessions', ({ read }) => read, true),
  compared('POST /v1/authz/check', ({ check }) => check, false),
  { what: 'bytes of Redis for a session', unit: 'bytes', read: ({ bytes }) => bytes },
];
