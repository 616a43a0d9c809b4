import { NestFactory } from '@nestjs/core';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { migrations } from '../../migrations';
import { AppModule } from '../../src/app.module';
import { SealDays } from '../../src/audit/seals/seal-days';
import { Config, loadConfig } from '../../src/config/config';
import { migrate } from '../../src/infra/database/migrate';
import { linkInBatches } from './link-in-batches';
import { Line, median } from './report';
import { BenchOptions, Report } from './section';
import { startServers } from './servers';

const CLI = join(__dirname, '..', '..', 'src', 'cli.js');
const DAYS = 30;

interface Run {
  seconds: number;
  /** Of its own processor time. */
  busy: number;
  /** The most that the process had in memory. */
  megabytes: number;
}

const NOTES = `
Each is a process of its own, with its start; the events are of thirty days, sealed, and each has personal data. What
PostgreSQL does it does beside it, on another core where there is one.
`;

/** How long a million events take to be proved, and in how much memory. */
export async function verifySection({ quick, rounds: count, events: most }: BenchOptions): Promise<Report> {
  const events = quick ? 20_000 : Math.min(most, 1_000_000);
  const servers = await startServers();
  const { folder, databaseUrl, redisUrl } = servers;
  try {
    const config = loadConfig({
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      LOCAL_KMS_KEY_PATH: join(folder, 'master.key'),
    });
    await migrate(config, migrations);
    writeFileSync(config.LOCAL_KMS_KEY_PATH, randomBytes(32).toString('hex'), { mode: 0o600 });
    await fill(config, events);
    const file = join(folder, 'audit.ndjson');
    const commands = {
      'verify, the database': ['verify'],
      export: ['export', '--out', file],
      'verify, the export': ['verify', '--export', file],
    };
    const rounds: Record<string, Run>[] = [];
    while (rounds.length < count) {
      const round: Record<string, Run> = {};
      for (const [what, args] of Object.entries(commands)) round[what] = await run(args, config, folder);
      rounds.push(round);
      process.stderr.write(`round ${rounds.length} of ${count}\n`);
    }
    return { heading: `${events} events`, lines: linesOf(rounds), rounds, notes: NOTES };
  } finally {
    await servers.stop();
  }
}

function linesOf(rounds: Record<string, Run>[]): Line[] {
  return Object.keys(rounds[0]!).flatMap((what) => [
    { what: `audit ${what}`, unit: 's', value: median(rounds.map((round) => round[what]!.seconds)) },
    { what: '… its own processor time', unit: 's', value: median(rounds.map((round) => round[what]!.busy)) },
    { what: '… most memory', unit: 'MB', value: median(rounds.map((round) => round[what]!.megabytes)) },
  ]);
}

/** Events of the last days, with personal data, linked as the relay does it and sealed by the service. */
async function fill(config: Config, count: number): Promise<void> {
  const client = new Client({ connectionString: config.DATABASE_URL });
  await client.connect();
  try {
    await client.query('SET synchronous_commit = off');
    await client.query(`SELECT ensure_event_partitions((now() - interval '${DAYS} days')::date, 3)`);
    for (let first = 0; first < count; first += 100_000) {
      await client.query(MAKE, [first, Math.min(first + 100_000, count), count, DAYS]);
      process.stderr.write(`made ${Math.min(first + 100_000, count)} events\n`);
    }
    await client.query('VACUUM ANALYZE events, event_personal_data');
    await linkInBatches(client, count);
    await client.query('VACUUM ANALYZE event_chain');
  } finally {
    await client.end();
  }
  const app = await NestFactory.createApplicationContext(AppModule.with(config, { background: false }), {
    logger: false,
    abortOnError: false,
  });
  try {
    await app.get(SealDays).run();
  } finally {
    await app.close();
  }
}

/** Ids that grow with time, as those of the service; a digest of personal data each. */
const MAKE = `
  WITH made AS (
    SELECT ('0192' || lpad(to_hex(n), 8, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid AS event_id,
      now() - make_interval(days => $4) + make_interval(secs => n * ($4 * 86400.0 / $3)) AS "timestamp",
      n, sha256(n::text::bytea) AS salt, format('{"ip":"203.0.113.%s","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"}', n % 250) AS personal
    FROM generate_series($1::int, $2::int - 1) AS n
  ), kept AS (
    INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content)
    SELECT event_id, "timestamp", 'metadata', NULL, salt, personal::jsonb FROM made
  )
  INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, resource, data, metadata, personal_digests)
  SELECT event_id, 'user.login', "timestamp", 'user-service', 'normal', 'user:' || n % 10000, 'user:' || n % 10000, NULL,
    jsonb_build_object('session_id', event_id, 'method', 'password', 'second_factor', NULL, 'new_device', n % 2 = 0),
    jsonb_build_object('request_id', md5(n::text)),
    jsonb_build_object('metadata', translate(encode(sha256(salt || personal::bytea), 'base64'), '+/=', '-_'))
  FROM made`;

async function run(args: string[], config: Config, folder: string): Promise<Run> {
  const began = performance.now();
  const child = spawn(process.execPath, [CLI, 'audit', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: config.DATABASE_URL,
      REDIS_URL: config.REDIS_URL,
      LOCAL_KMS_KEY_PATH: config.LOCAL_KMS_KEY_PATH,
    },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  let last = { megabytes: 0, busy: 0 };
  const watch = setInterval(() => (last = usageOf(child.pid!) ?? last), 100);
  const [code] = (await once(child, 'close')) as [number];
  clearInterval(watch);
  if (code !== 0) throw new Error(`audit ${args[0]} ended with ${code}:\n${output}`);
  return { seconds: (performance.now() - began) / 1000, ...last };
}

/** Linux; elsewhere, and once it has ended, undefined. */
function usageOf(pid: number): Omit<Run, 'seconds'> | undefined {
  try {
    const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    // After the name in brackets: state is the first, utime and stime are twelfth and thirteenth, in hundredths.
    const times = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    if (peak === undefined) return undefined;
    return {
      megabytes: Math.round(Number(peak) / 1024),
      busy: (Number(times[11]) + Number(times[12])) / 100,
    };
  } catch {
    return undefined;
  }
}
