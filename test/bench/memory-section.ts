import { once } from 'node:events';
import { join } from 'node:path';
import { BenchService, Member, startBenchService } from './bench-service';
import { Child } from './child';
import { Lane, LoadJob, LoadResult } from './load';
import { CHECK, ME, SESSIONS } from './measures';
import type { MemoryReply } from './memory-hook';
import { insertPeople, LOW_COST, settled, signInPeople } from './people';
import { Row, summarise } from './report';
import { BenchOptions, Report } from './section';
import { Servers, startServers } from './servers';

const BATCHES = 5;
/** People who sign in and use their sessions, then all is left to settle; the first batch of all does not count. */
const BATCH = 2_000;
const CLIENTS = 16;
const MEGABYTE = 1024 * 1024;

interface Round {
  before: MemoryReply;
  after: MemoryReply;
}

const NOTES = `
One process. After the first ${BATCH} sessions, which compile its code and fill its pools, and again after the others, once
their mails are sent, it collects its garbage twice and reads process.memoryUsage() (rss: what the kernel counts as
resident). Sessions come in batches; each is opened by a sign-in (bcrypt at ${LOW_COST}: memory, not hashing, is the matter) and
asks for GET /v1/auth/sessions, GET /v1/users/me, POST /v1/authz/check and a refresh. Every round is a process of its own.
`;

/** What a process grows by while people sign in and use their sessions. */
export async function memorySection({ quick, rounds: count }: BenchOptions): Promise<Report> {
  const batch = quick ? 200 : BATCH;
  const servers = await startServers();
  const rounds: Round[] = [];
  try {
    while (rounds.length < count) {
      rounds.push(await roundOf(servers, batch, rounds.length === 0));
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
  } finally {
    await servers.stop();
  }
  return { heading: `${BATCHES * batch} sessions`, lines: summarise(rows, rounds), rounds, notes: NOTES };
}

async function roundOf(servers: Servers, batch: number, isFirst: boolean): Promise<Round> {
  const { folder, databaseUrl, redisUrl } = servers;
  const load = new Child<LoadJob, LoadResult>('load');
  const service = await startBenchService(
    folder,
    { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, PASSWORD_BCRYPT_COST: String(LOW_COST) },
    ['--require', join(__dirname, 'memory-hook.js')],
  );
  try {
    if (isFirst) await insertPeople(databaseUrl, (1 + BATCHES) * batch);
    let before: MemoryReply | undefined;
    for (let done = 0; done <= BATCHES; done++) {
      await useSessions(load, service, done * batch, batch);
      await settled(databaseUrl);
      before ??= await memoryOf(service);
    }
    return { before: before!, after: await memoryOf(service) };
  } finally {
    load.stop();
    await service.stop();
  }
}

async function useSessions(
  load: Child<LoadJob, LoadResult>,
  { url }: BenchService,
  first: number,
  count: number,
): Promise<void> {
  const members = await signInPeople(load, url, first, count);
  const asks: ((member: Member) => Lane)[] = [
    ...[SESSIONS, ME, CHECK].map((ask) => ({ accessToken }: Member) => ({ ...ask, token: accessToken })),
    ({ refreshToken }) => ({
      method: 'POST',
      path: '/v1/auth/refresh',
      body: { refresh_token: refreshToken },
    }),
  ];
  for (const ask of asks)
    await load.run({ url, lanes: members.map(ask), seconds: 0, clients: CLIENTS, once: true });
}

async function memoryOf({ process: service }: BenchService): Promise<MemoryReply> {
  service.send('memory');
  const [reply] = (await once(service, 'message', { signal: AbortSignal.timeout(60_000) })) as [MemoryReply];
  return reply;
}

const megabytes = (what: string, read: (round: Round) => number): Row<Round> => ({
  what,
  unit: 'MB',
  read: (round) => read(round) / MEGABYTE,
});

const rows: Row<Round>[] = [
  megabytes('resident, after the first batch', ({ before }) => before.rss),
  megabytes('resident, at the end', ({ after }) => after.rss),
  { ...megabytes('grown by', ({ before, after }) => after.rss - before.rss), target: { atMost: 60 } },
  megabytes('… of it objects', ({ before, after }) => after.heapUsed - before.heapUsed),
  megabytes('… buffers', ({ before, after }) => after.external - before.external),
  megabytes('… heap, used or not', ({ before, after }) => after.heapTotal - before.heapTotal),
];
