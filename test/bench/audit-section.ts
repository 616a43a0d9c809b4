import { Agent, get } from 'node:http';
import { Client } from 'pg';
import { loadEvents } from './audit-data';
import { BenchService, enrol, Member, signIn, startBenchService } from './bench-service';
import { Line, median } from './report';
import { BenchOptions, Report } from './section';
import { Servers, startServers } from './servers';

const FEW = 10_000;
const DAY = 86_400_000;
/** People who are asked about, and their events: the same in both databases, but for the last. */
const USUAL = { people: 8, each: 300 };
const ACTIVE = { people: 2, each: 1_500 };

/** A service on a database of its own, with so many events. */
interface Side {
  events: number;
  service: BenchService;
  usual: Member[];
  active: Member[];
  heavy: Member;
  auditor: Member;
  /** Ids of some of everybody else. */
  others: string[];
}

interface Times {
  p50: number;
  p95: number;
}

type Round = Record<string, { few: Times; many: Times }>;

/** The n-th request of a measurement: who asks, and what for. */
type Ask = (side: Side, n: number) => { by: Member; query: string };

const NEWEST = 'limit=100';
const dates = (from: number, to: number): string =>
  `start_date=${new Date(Date.now() - from * DAY).toISOString()}&end_date=${new Date(Date.now() - to * DAY).toISOString()}`;
const usual = ({ usual: people }: Side, n: number): Member => people[n % people.length]!;
const active = ({ active: people }: Side, n: number): Member => people[n % people.length]!;

const ASKS: Record<string, Ask> = {
  'newest 100': (side, n) => ({ by: usual(side, n), query: NEWEST }),
  '… of a type that is frequent': (side, n) => ({
    by: usual(side, n),
    query: `${NEWEST}&event_type=user.login`,
  }),
  '… of a type that is rare': (side, n) => ({
    by: usual(side, n),
    query: `${NEWEST}&event_type=password.changed`,
  }),
  '… of four months a year ago': (side, n) => ({ by: usual(side, n), query: `${NEWEST}&${dates(480, 360)}` }),
  '… after 1,000 others (offset)': (side, n) => ({ by: active(side, n), query: `${NEWEST}&offset=1000` }),
  'the heavy user: newest 100': ({ heavy }) => ({ by: heavy, query: NEWEST }),
  '… of a type that is rare ': ({ heavy }) => ({ by: heavy, query: `${NEWEST}&event_type=password.changed` }),
  '… of four months a year ago ': ({ heavy }) => ({ by: heavy, query: `${NEWEST}&${dates(480, 360)}` }),
  '… after 1,000 others (offset) ': ({ heavy }) => ({ by: heavy, query: `${NEWEST}&offset=1000` }),
  'an auditor: newest 100 of always another': ({ auditor, others }, n) => ({
    by: auditor,
    query: `${NEWEST}&user_id=${others[(n * 37) % others.length]}`,
  }),
};

const NOTES = `
Two services, each on a database of its own in the same PostgreSQL, asked by turns by one client. Eight people have 300
events each and two 1,500, in both; the heavy user has 3,000 of the few and 3 % of the many. All others have 50 on the
average, the first of them very many more. Months, indexes and what is kept apart are as in the service; events are not
linked. PostgreSQL has fsync off while it loads, so an auditor's look, which is recorded, does not wait for the disk.
`;

/** How long a query of events takes where there are ten thousand, and where there are very many. */
export async function auditSection({ quick, rounds: count, events: most }: BenchOptions): Promise<Report> {
  const events = quick ? Math.min(most, 200_000) : most;
  const servers = await startServers({ fsync: 'off', max_wal_size: '8GB' });
  const sides: Side[] = [];
  const rounds: Round[] = [];
  try {
    for (const [number, total] of [FEW, events].entries()) sides.push(await makeSide(servers, number, total));
    const [few, many] = sides as [Side, Side];
    for (const side of sides) await signInAgain(side);
    for (const ask of Object.values(ASKS)) await measure(few, many, ask, 20);
    while (rounds.length < count) {
      for (const side of sides) await signInAgain(side);
      const round: Round = {};
      for (const [name, ask] of Object.entries(ASKS)) {
        round[name] = await measure(few, many, ask, quick ? 50 : 200);
      }
      rounds.push(round);
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
  } finally {
    for (const { service } of sides) await service.stop();
    await servers.stop();
  }
  return { heading: `${events} events against ${FEW}`, lines: linesOf(rounds), rounds, notes: NOTES };
}

async function makeSide(servers: Servers, number: number, events: number): Promise<Side> {
  const url = Object.assign(new URL(servers.databaseUrl), { pathname: `/audit_${number}` }).href;
  await execute(servers.databaseUrl, `CREATE DATABASE audit_${number}`);
  const service = await startBenchService(servers.folder, {
    DATABASE_URL: url,
    REDIS_URL: Object.assign(new URL(servers.redisUrl), { pathname: `/${number}` }).href,
    // A machine that loads millions of rows is slow to answer.
    DATABASE_POOL_TIMEOUT: '30',
    KITE_API_BASE_URL: 'http://127.0.0.1:9',
    KITE_LOGIN_URL: 'http://127.0.0.1:9',
  });
  try {
    const people: Member[] = [];
    for (let i = 0; i < USUAL.people + ACTIVE.people + 2; i++) people.push(await enrol(service.url, i));
    const [heavy, auditor] = people as [Member, Member];
    await execute(url, `INSERT INTO user_roles (user_id, role) VALUES ('${auditor.userId}', 'admin')`);
    const usual = people.slice(2, 2 + USUAL.people);
    const active = people.slice(2 + USUAL.people);
    const others = await loadEvents(url, events, [
      { users: ids(usual), each: USUAL.each },
      { users: ids(active), each: ACTIVE.each },
      { users: [heavy.userId], each: Math.max(3_000, events * 0.03) },
    ]);
    return { events, service, usual, active, heavy, auditor, others };
  } catch (error) {
    await service.stop();
    throw error;
  }
}

/** Loading, and each round, may take longer than a token lasts. */
async function signInAgain({ service, usual, active, heavy, auditor }: Side): Promise<void> {
  for (const member of [...usual, ...active, heavy, auditor])
    Object.assign(member, await signIn(service.url, member.email));
}

const ids = (members: readonly Member[]): string[] => members.map(({ userId }) => userId);

async function execute(databaseUrl: string, statement: string): Promise<void> {
  const db = new Client(databaseUrl);
  await db.connect();
  await db.query(statement);
  await db.end();
}

/** Asks both by turns. */
async function measure(few: Side, many: Side, ask: Ask, requests: number): Promise<Round[string]> {
  const times = new Map<Side, number[]>([few, many].map((side) => [side, []]));
  for (let n = 0; n < requests; n++) {
    for (const side of n % 2 ? [few, many] : [many, few]) {
      const { by, query } = ask(side, n);
      times.get(side)!.push(await send(`${side.service.url}/v1/audit/events?${query}`, by.accessToken));
    }
  }
  return { few: quantiles(times.get(few)!), many: quantiles(times.get(many)!) };
}

function quantiles(times: number[]): Times {
  times.sort((a, b) => a - b);
  const at = (q: number): number => times[Math.min(times.length - 1, Math.floor(times.length * q))]!;
  return { p50: at(0.5), p95: at(0.95) };
}

const agent = new Agent({ keepAlive: true });

/** @returns milliseconds. @throws Error for an answer that is not a success. */
function send(url: string, token: string): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const call = get(url, { agent, timeout: 30_000, headers: { authorization: `Bearer ${token}` } });
    call.on('response', (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      reply.on('end', () =>
        reply.statusCode === 200
          ? resolve(performance.now() - began)
          : reject(new Error(`${url}: ${reply.statusCode} ${text}`)),
      );
    });
    call.on('timeout', () => call.destroy(new Error(`${url} took more than 30 s`)));
    call.on('error', reject);
  });
}

function linesOf(rounds: Round[]): Line[] {
  return Object.keys(ASKS).flatMap((name) =>
    (['p50', 'p95'] as const).map((quantile): Line => {
      const few = (round: Round): number => round[name]!.few[quantile];
      const many = (round: Round): number => round[name]!.many[quantile];
      return {
        what: `${name}, ${quantile}`,
        unit: 'ms',
        value: median(rounds.map(many)),
        bound: {
          what: `${median(rounds.map(few)).toFixed(2)} ms`,
          value: median(rounds.map(few)),
          ratio: median(rounds.map((round) => many(round) / few(round))),
        },
      };
    }),
  );
}
