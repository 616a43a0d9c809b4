import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OwnServers } from '../../support/servers';
import { Fault, Seen } from '../fault';
import { Watch } from '../watch';
import { World } from '../world';

const MEGABYTES = 320;
const READ_EVERY_MS = 100;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** More than PostgreSQL keeps room for. */
const FILL_LOG = `SELECT pg_logical_emit_message(false, 'drill', repeat('x', 1000000)) FROM generate_series(1, 300)`;

/** What only root may do, and not everywhere. @returns what it said where it failed. */
function run(program: string, ...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

/** @throws Error where it cannot be had. */
function mountSmallDisk(): string {
  const folder = mkdtempSync(join(tmpdir(), 'user-service-drill-'));
  const problem = run('mount', '-t', 'tmpfs', '-o', `size=${MEGABYTES}m,mode=0755`, 'drill', folder);
  if (problem === undefined) return folder;
  rmSync(folder, { recursive: true });
  throw new Error(problem);
}

function unmount(folder: string): void {
  if (run('umount', folder) !== undefined) run('umount', '--lazy', folder);
  rmSync(folder, { recursive: true, force: true });
}

/** To the last byte. @returns what frees it again. */
function fill(folder: string): () => void {
  const path = join(folder, 'filler');
  const file = openSync(path, 'w');
  for (const size of [1 << 20, 4096])
    try {
      for (const block = Buffer.alloc(size); ;) writeSync(file, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  closeSync(file);
  return () => rmSync(path, { force: true });
}

/** Servers and instances on a disk of their own. */
async function onSmallDisk(
  isQuick: boolean,
  work: (world: World, disk: string) => Promise<Seen>,
): Promise<Seen> {
  const before = process.env.TMPDIR;
  const disk = mountSmallDisk();
  const interrupted = (): void => {
    unmount(disk);
    process.exit(1);
  };
  for (const signal of SIGNALS) process.once(signal, interrupted);
  try {
    process.env.TMPDIR = disk;
    const world = await World.start(isQuick);
    try {
      return await work(world, disk);
    } finally {
      await world.stop();
    }
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    for (const signal of SIGNALS) process.removeListener(signal, interrupted);
    unmount(disk);
  }
}

/** Signed-in people go on reading: nothing of that needs room. */
async function keepReading(watch: Watch, isOver: () => boolean): Promise<number> {
  const { witness, cast } = watch;
  let reads = 0;
  for (; !isOver(); await sleep(READ_EVERY_MS)) {
    const instance = witness.instances[reads % 2]!;
    const { status, code } = await cast.people.me(instance, cast.living[0]!.tokens.accessToken);
    if (status !== 200 && !isOver()) watch.broken('a read failed on a full disk', `${status} ${code}`);
    reads++;
  }
  return reads;
}

/** What a supervisor does: it starts what has ended, again and again until it runs. */
class Supervisor {
  readonly started: string[] = [];
  private isOver = false;
  private readonly running: Promise<void>;

  constructor(private readonly servers: OwnServers) {
    this.running = this.run();
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.running;
  }

  private async run(): Promise<void> {
    for (; !this.isOver; await sleep(200)) {
      const { servers } = this;
      if (hasEnded(servers.postgresPid)) await this.start('PostgreSQL', () => servers.restartPostgres());
      if (hasEnded(servers.redisPid)) await this.start('Redis', () => servers.restartRedis());
    }
  }

  /** Without room it fails; the next time comes soon. */
  private async start(name: string, restart: () => Promise<void>): Promise<void> {
    await restart().then(
      () => this.started.push(name),
      () => undefined,
    );
  }
}

function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

export const diskFull: Fault = {
  name: 'disk-full',
  title: 'the disk of PostgreSQL and Redis is full',
  promise: '503 for what cannot be written; reading goes on until PostgreSQL itself gives up; well with room',
  isQuick: false,
  needs: () => {
    try {
      unmount(mountSmallDisk());
      return undefined;
    } catch (error) {
      return `no disk can be mounted (${(error as Error).message})`;
    }
  },
  run: ({ isQuick }) =>
    onSmallDisk(isQuick, async (world, disk) => {
      const supervisor = new Supervisor(world.servers);
      try {
        return await world.watch(
          async (watch) => {
            const free = fill(disk);
            try {
              await sleep(500);
              const until = performance.now() + 6_000;
              const reads = await keepReading(watch, () => performance.now() > until);
              const { answers } = watch.witness;
              watch.note(`${answers['503'] ?? 0} answers were 503 beside ${reads} good reads`);
              // The log of PostgreSQL needs its next file: that is where it gives up.
              await world.db.query(FILL_LOG).catch(() => undefined);
              await watch.last(4);
            } finally {
              free();
            }
          },
          {
            refuses: true,
            after: async (watch) => {
              const { started } = supervisor;
              watch.note(
                started.length > 0
                  ? `a supervisor started ${started.join(' and ')} again`
                  : 'no server ended',
              );
            },
          },
        );
      } finally {
        await supervisor.end();
      }
    }),
};
