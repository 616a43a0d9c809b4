import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Program } from './redis-program';
import { giveAway } from './server-user';

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;

/** What every Debian and Ubuntu has anyway. */
const PRESENT = /^(libc6|libsystemd0|libelogind0|adduser|lsb-base|sysvinit-utils|init-system-helpers)$/;

/**
 * Redis out of the distribution's own signed packages, unpacked into a folder of ours: nothing is installed.
 * @returns undefined where there is no apt.
 */
export async function redisFromPackages(
  folder: string,
  tell: (news: string) => void,
): Promise<Program | undefined> {
  const root = join(folder, 'redis');
  if (!existsSync(root)) {
    if (!existsSync('/usr/bin/apt-get')) return undefined;
    tell('fetching Redis with apt-get, once');
    await unpack(root);
  }
  return {
    file: join(root, 'usr/bin/redis-server'),
    env: { LD_LIBRARY_PATH: libraryFolders(root).join(':') },
  };
}

async function unpack(root: string): Promise<void> {
  const draft = `${root}.${process.pid}`;
  const packages = join(draft, 'packages');
  try {
    mkdirSync(packages, { recursive: true });
    const apt = await updatedApt(draft);
    const { stdout } = await run('apt-cache', [...apt, 'depends', 'redis-server', 'redis-tools']);
    const needed = [...stdout.matchAll(/^\s*\|?Depends: (\S+)$/gm)].map(([, name]) => name!);
    const names = new Set([
      'redis-server',
      ...needed.filter((name) => /^\w/.test(name) && !PRESENT.test(name)),
    ]);
    await run('apt-get', [...apt, 'download', ...names], { cwd: packages, timeout: TIMEOUT_MS });
    for (const file of readdirSync(packages)) {
      await run('dpkg', ['-x', join(packages, file), join(draft, 'root')], { timeout: TIMEOUT_MS });
    }
    giveAway(join(draft, 'root'));
    // Another process may have been quicker.
    if (!existsSync(root)) renameSync(join(draft, 'root'), root);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** apt with lists and caches of our own, which needs no root. @returns the options for every call. */
async function updatedApt(draft: string): Promise<string[]> {
  const [lists, cache] = [join(draft, 'lists'), join(draft, 'cache')];
  mkdirSync(join(lists, 'partial'), { recursive: true });
  mkdirSync(join(cache, 'archives', 'partial'), { recursive: true });
  const options = {
    'Dir::State::lists': lists,
    'Dir::Cache': cache,
    // Root's apt would hand the download to a user who can't enter our folder.
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '20',
  };
  const apt = ['-q', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
  await run('apt-get', [...apt, 'update'], { timeout: TIMEOUT_MS });
  return apt;
}

function libraryFolders(root: string): string[] {
  return ['usr/lib', 'lib']
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((triplet) => join(folder, triplet)));
}
