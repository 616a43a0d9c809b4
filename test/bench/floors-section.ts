import { Bound, BoundJob } from './bounds';
import { BareJob } from './bare-server';
import { Child } from './child';
import { FloorJob, FloorKind } from './floor-server';
import { Lane, LoadJob, LoadResult } from './load';
import { CHECK } from './measures';
import { cpuTime } from './processes';
import { Row, summarise } from './report';
import { BenchOptions, Report } from './section';
import { setStage } from './stage';

const CLIENTS = { check: 16, refresh: 32 };
const LEAD = 0.25;

type Measured = LoadResult & { cpu: number };
type Round = Record<FloorKind | 'bare', Measured> & { rsa: Bound };

const NOTES = `
What a target's route would take with nothing in it. The rows of a check are one POST with the same token and body: Fastify
alone, as a route of Nest, with the service's rules for bodies, and with what every reply of the service has besides (a
caller by the hash of a token, security headers, a line in the log, a measurement); none asks who may do what. The last two
are bare Fastify with one script in Redis and one RS256 signature, without and with one row of PostgreSQL by its primary
key: no validation, no roles, nothing recorded.
`;

/** What the targets leave for the service: the same routes on the same packages, without what makes them safe. */
export async function floorsSection({ quick, rounds: count, processes }: BenchOptions): Promise<Report> {
  const seconds = quick ? 0.5 : 1.5;
  const stage = await setStage(1, CLIENTS.refresh);
  const { redisUrl, databaseUrl, members } = stage;
  const load = new Child<LoadJob, LoadResult>('load');
  const bounds = new Child<BoundJob, Bound>('bounds');
  const bareServer = new Child<BareJob, string>('bare-server');
  const kinds: FloorKind[] = ['fastify', 'nest', 'validated', 'door', 'signed', 'refresh'];
  const floors = kinds.map((kind) => ({ kind, server: new Child<FloorJob, string>('floor-server') }));
  const rounds: Round[] = [];

  const ask = async (pid: number, url: string, lanes: Lane[]): Promise<Measured> => {
    const before = cpuTime(pid);
    const result = await load.run({ url, lanes, seconds, lead: LEAD });
    return { ...result, cpu: (cpuTime(pid) - before) / result.requests };
  };
  const lanesOf = (kind: FloorKind): Lane[] =>
    isSigning(kind)
      ? members.map(({ userId }) => ({ method: 'POST', path: '/refresh', body: { user_id: userId } }))
      : members.slice(0, CLIENTS.check).map(({ accessToken }) => ({ ...CHECK, token: accessToken }));

  try {
    const bareUrl = await bareServer.run({ redisUrl, processes });
    const urls = new Map<FloorKind, string>();
    for (const { kind, server } of floors)
      urls.set(kind, await server.run({ kind, redisUrl, databaseUrl, processes }));
    const round = async (): Promise<Round> => {
      const bare = Array.from({ length: CLIENTS.check }, (): Lane => ({ method: 'GET', path: '/' }));
      const done: Partial<Round> = {
        rsa: await bounds.run({ kind: 'rsa', seconds }),
        bare: await ask(bareServer.pid, bareUrl, bare),
      };
      for (const { kind, server } of floors)
        done[kind] = await ask(server.pid, urls.get(kind)!, lanesOf(kind));
      return done as Round;
    };
    // Compiles the hot paths before anything counts.
    await round();
    while (rounds.length < count) {
      rounds.push(await round());
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
  } finally {
    for (const child of [load, bounds, bareServer, ...floors.map(({ server }) => server)]) child.stop();
    await stage.stop();
  }
  return {
    heading: `floors, WEB_CONCURRENCY=${processes}`,
    lines: summarise(rows, rounds),
    rounds,
    notes: NOTES,
  };
}

const isSigning = (kind: FloorKind): boolean => kind === 'signed' || kind === 'refresh';

const floor = (what: string, kind: FloorKind): Row<Round>[] => [
  {
    what,
    unit: '/s',
    read: (r) => r[kind].perSecond,
    bound: isSigning(kind)
      ? { what: 'RSA', read: (r) => r.rsa.perSecond }
      : { what: 'bare', read: (r) => r.bare.perSecond },
  },
  {
    what: '    its CPU',
    unit: 'µs',
    read: (r) => r[kind].cpu,
    bound: isSigning(kind)
      ? { what: 'a signature', read: (r) => r.rsa.cpu }
      : { what: 'bare', read: (r) => r.bare.cpu },
  },
];

const rows: Row<Round>[] = [
  { what: 'bare Fastify + Redis GET, 16 clients', unit: '/s', read: (r) => r.bare.perSecond },
  ...floor('POST of Fastify, without Redis', 'fastify'),
  ...floor('… as a route of Nest', 'nest'),
  ...floor('… with its body validated', 'validated'),
  ...floor('… with a caller, headers, log line and metric', 'door'),
  { what: 'RSA-2048 signatures, all cores', unit: '/s', read: (r) => r.rsa.perSecond },
  ...floor('POST of Fastify, script and signature, 32 clients', 'signed'),
  ...floor('… and a row of PostgreSQL', 'refresh'),
];
