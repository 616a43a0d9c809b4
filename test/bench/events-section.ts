import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { migrations } from '../../migrations';
import { loadConfig } from '../../src/config/config';
import { migrate } from '../../src/infra/database/migrate';
import { Child } from './child';
import { RelayJob } from './event-relay';
import { WritersJob, WritersResult } from './event-writers';
import { Line, median } from './report';
import { BenchOptions, Report } from './section';
import { startServers } from './servers';

const WRITERS = 16;
const MODES = ['nothing', 'link', 'link and publish'] as const;
type Mode = (typeof MODES)[number];

interface Measured extends WritersResult {
  /** Events that had no link, and those that were not published, when the writers stopped. */
  unlinked: number;
  unpublished: number;
}

type Round = Record<Mode, Measured>;

interface World {
  db: Client;
  databaseUrl: string;
  redisUrl: string;
  writers: Child<WritersJob, WritersResult>;
  relay: Child<RelayJob, void>;
}

const NOTES = `
One transaction with one event each, every writer about a subject of its own, over 16 connections of one process; servers
as they come (fsync on). The relay is another process on the same machine, so its CPU is taken from the writers and from
PostgreSQL. It starts before the writers; what waited for it when they stopped says whether it kept up.
`;

/** What the hash chain and the relay cost those who record events. */
export async function eventsSection({ quick, rounds: count }: BenchOptions): Promise<Report> {
  const servers = await startServers();
  const { databaseUrl, redisUrl } = servers;
  const db = new Client(databaseUrl);
  const world: World = {
    db,
    databaseUrl,
    redisUrl,
    writers: new Child('event-writers'),
    relay: new Child('event-relay'),
  };
  const rounds: Round[] = [];
  try {
    await migrate(loadConfig({ DATABASE_URL: databaseUrl, REDIS_URL: redisUrl }), migrations);
    await db.connect();
    const seconds = quick ? 1 : 5;
    // Compiles the hot paths before anything counts.
    for (const mode of MODES) await measure(world, mode, seconds / 2);
    while (rounds.length < count) {
      // In another order each time.
      const order = MODES.map((_, i) => MODES[(i + rounds.length) % MODES.length]!);
      const round = {} as Round;
      for (const mode of order) round[mode] = await measure(world, mode, seconds);
      rounds.push(round);
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
  } finally {
    world.writers.stop();
    world.relay.stop();
    await db.end();
    await servers.stop();
  }
  return { heading: `${WRITERS} writers`, lines: linesOf(rounds), rounds, notes: NOTES };
}

async function measure(world: World, does: Mode, seconds: number): Promise<Measured> {
  const { db, databaseUrl, redisUrl } = world;
  await db.query('DELETE FROM event_outbox');
  await db.query('UPDATE event_relay SET published_position = chain_position, published_day = chain_day');
  await db.query('VACUUM event_outbox, event_relay');
  await db.query('CHECKPOINT');
  await world.relay.run({ databaseUrl, redisUrl, does });
  await sleep(500);
  const result = await world.writers.run({ databaseUrl, redisUrl, writers: WRITERS, seconds });
  const { rows } = await db.query<{ unlinked: number; unpublished: number }>(
    `SELECT (SELECT count(*)::int FROM event_outbox) AS unlinked,
       (chain_position - published_position)::int AS unpublished FROM event_relay`,
  );
  await world.relay.run({ databaseUrl, redisUrl, does: 'nothing' });
  return { ...result, ...rows[0]! };
}

function linesOf(rounds: Round[]): Line[] {
  const of = (read: (round: Round) => number): number => median(rounds.map(read));
  const rate = (what: string, mode: Mode): Line => ({
    what,
    unit: '/s',
    value: of((round) => round[mode].perSecond),
    ...(mode !== 'nothing' && {
      bound: {
        what: 'without',
        value: of((round) => round.nothing.perSecond),
        ratio: of((round) => round[mode].perSecond / round.nothing.perSecond),
      },
    }),
  });
  const time = (what: string, mode: Mode, read: (measured: Measured) => number): Line => ({
    what,
    unit: 'ms',
    value: of((round) => read(round[mode])),
  });
  return [
    rate('events recorded, nobody reads the outbox', 'nothing'),
    rate('events recorded, while each is linked', 'link'),
    rate('events recorded, while each is linked and published', 'link and publish'),
    time('one transaction, nobody reads the outbox, p50', 'nothing', ({ p50 }) => p50),
    time('… p99', 'nothing', ({ p99 }) => p99),
    time('one transaction, with the whole relay, p50', 'link and publish', ({ p50 }) => p50),
    time('… p99', 'link and publish', ({ p99 }) => p99),
    { what: 'left without a link, linking', unit: '', value: of((round) => round.link.unlinked) },
    {
      what: 'left without a link, whole relay',
      unit: '',
      value: of((round) => round['link and publish'].unlinked),
    },
    { what: 'left unpublished', unit: '', value: of((round) => round['link and publish'].unpublished) },
  ];
}
