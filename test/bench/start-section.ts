import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrations } from '../../migrations/index';
import { loadConfig } from '../../src/config/config';
import { freePort } from '../../src/embedded/ports';
import { migrate } from '../../src/infra/database/migrate';
import { SERVICE } from './bench-service';
import { cpuTime } from './processes';
import { Row, summarise } from './report';
import { BenchOptions, Report } from './section';
import { startServers } from './servers';

const BARE = join(__dirname, 'bare-nest.js');
const PACKAGES = join(__dirname, 'bare-nest-packages.js');
const LONGEST_MS = 30_000;

interface Start {
  /** Milliseconds from making the process until it answers `/health/ready` with 200. */
  ready: number;
  /** Milliseconds of a core, of all its processes. */
  cpu: number;
}

type Round = Record<'bare' | 'packages' | 'one' | 'two', Start>;

const NOTES = `
From making the process until GET /health/ready answers 200, asked every few milliseconds. The service runs as in
production, on stores that are up and migrated and with its keys made; the bare application has one controller and no
store; the second row is the same application once it has loaded the packages that the service is made of. Each round starts every one of them once, after one that does not count.
`;

/** How long until the service is ready, against a Nest application that does nothing. */
export async function startSection({ rounds: count }: BenchOptions): Promise<Report> {
  const servers = await startServers();
  const rounds: Round[] = [];
  try {
    const settings = await production(servers);
    const round = async (): Promise<Round> => ({
      bare: await start(BARE, settings),
      packages: await start(PACKAGES, settings),
      one: await start(SERVICE, { ...settings, WEB_CONCURRENCY: '1' }),
      two: await start(SERVICE, { ...settings, WEB_CONCURRENCY: '2' }),
    });
    await round();
    while (rounds.length < count) {
      rounds.push(await round());
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
  } finally {
    await servers.stop();
  }
  return { heading: 'start', lines: summarise(rows, rounds), rounds, notes: NOTES };
}

/** Settings that production accepts, and tables. */
async function production(servers: {
  folder: string;
  databaseUrl: string;
  redisUrl: string;
}): Promise<Record<string, string>> {
  const key = join(servers.folder, 'master.key');
  writeFileSync(key, randomBytes(32).toString('hex'), { mode: 0o600 });
  const settings = {
    NODE_ENV: 'production',
    ENVIRONMENT: 'production',
    HOST: '127.0.0.1',
    PUBLIC_URL: 'https://id.example.org',
    JWT_ISSUER: 'https://id.example.org',
    JWT_AUDIENCE: 'bench',
    CORS_ALLOWED_ORIGINS: 'https://app.example.org',
    SMTP_HOST: '127.0.0.1',
    SMTP_TLS: 'true',
    SMTP_FROM: 'bench@example.org',
    LOCAL_KMS_KEY_PATH: key,
    DATABASE_URL: servers.databaseUrl,
    REDIS_URL: servers.redisUrl,
  };
  await migrate(loadConfig(settings), migrations);
  return settings;
}

async function start(file: string, settings: Record<string, string>): Promise<Start> {
  const port = await freePort();
  const began = performance.now();
  const started = spawn(process.execPath, [file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env.PATH, PORT: String(port), ...settings },
  });
  try {
    while (!(await isReady(port))) {
      if (started.exitCode !== null || performance.now() - began > LONGEST_MS)
        throw new Error(`${file} did not start`);
      await sleep(3);
    }
    return { ready: performance.now() - began, cpu: cpuTime(started.pid!) / 1000 };
  } finally {
    started.kill('SIGTERM');
    await once(started, 'exit', { signal: AbortSignal.timeout(LONGEST_MS) });
  }
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const call = get({ host: '127.0.0.1', port, path: '/health/ready', agent: false }, (reply) => {
      reply.resume();
      resolve(reply.statusCode === 200);
    });
    call.on('error', () => resolve(false));
  });
}

const milliseconds = (what: string, of: keyof Round, part: keyof Start, atMost?: number): Row<Round> => ({
  what,
  unit: 'ms',
  read: (round) => round[of][part],
  ...(of !== 'bare' && { bound: { what: 'bare', read: (round: Round) => round.bare[part] } }),
  ...(atMost !== undefined && { target: { atMost } }),
});

const rows: Row<Round>[] = [
  milliseconds('a bare Nest application is ready', 'bare', 'ready'),
  milliseconds('… that loads the packages of the service', 'packages', 'ready'),
  milliseconds('the service is ready, WEB_CONCURRENCY=1', 'one', 'ready', 1.5),
  milliseconds('the service is ready, WEB_CONCURRENCY=2', 'two', 'ready'),
  milliseconds('CPU of a bare start', 'bare', 'cpu'),
  milliseconds('… that loads the packages of the service', 'packages', 'cpu'),
  milliseconds('CPU of the service’s start, WEB_CONCURRENCY=1', 'one', 'cpu'),
  milliseconds('CPU of the service’s start, WEB_CONCURRENCY=2', 'two', 'cpu'),
];
