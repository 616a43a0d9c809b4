/**
 * Finds a Redis, or fetches one: on the PATH, fetched earlier, out of Debian's or Ubuntu's packages (no root needed),
 * or compiled by the npm package `redis-memory-server`.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { DataFolder } from './data-folder';
import { redisFromPackages } from './redis-from-packages';
import { Command } from './server-process';
import { giveAway, makeOpenFolder, reachable, serverUser } from './server-user';

export type Program = Omit<Command, 'args'>;

/**
 * @param tell hears when something has to be fetched first.
 * @throws Error with the one command that installs it, and why nothing else worked.
 */
export async function findRedis(data: DataFolder, tell: (news: string) => void): Promise<Program> {
  const folder = programFolder(data);
  const reasons: string[] = [];
  for (const find of [onPath, redisFromPackages, compiled]) {
    try {
      const program = await find(folder, tell);
      if (program && (await works(program))) return program;
    } catch (error) {
      reasons.push((error as Error).message.trim().split('\n').at(-1)!);
    }
  }
  const install = process.platform === 'darwin' ? 'brew install redis' : 'sudo apt-get install redis-server';
  throw new Error(
    [`There is no Redis here. Install it: ${install} (or set REDIS_URL)`, ...reasons].join('\n  '),
  );
}

/** Beside the other things that `npm ci` brings, so that `npm run reset` and the tests need not fetch it again. */
function programFolder(data: DataFolder): string {
  const nodeModules = join(dirname(require.resolve('ioredis/package.json')), '..');
  const shared = reachable(join(nodeModules, '.cache', 'user-service'));
  try {
    makeOpenFolder(shared);
    accessSync(shared, constants.W_OK);
    return shared;
  } catch {
    return data.file('programs');
  }
}

function onPath(): Promise<Program | undefined> {
  const file = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'redis-server'))
    .find((candidate) => existsSync(candidate));
  return Promise.resolve(file ? { file } : undefined);
}

async function compiled(folder: string, tell: (news: string) => void): Promise<Program> {
  const { RedisBinary } = await import('redis-memory-server');
  const downloadDir = join(folder, 'redis-compiled');
  if (!existsSync(downloadDir)) tell('compiling Redis, once; this takes some minutes');
  const file = await RedisBinary.getPath({ downloadDir });
  giveAway(downloadDir);
  return { file };
}

/** As the user who will run it: he may not be able to enter where it lies. */
async function works({ file, env }: Program): Promise<boolean> {
  const { stdout } = await promisify(execFile)(file, ['--version'], {
    ...serverUser(),
    env,
    cwd: '/',
    timeout: 10_000,
  });
  return stdout.includes('Redis');
}
