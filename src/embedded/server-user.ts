/**
 * Who runs the servers. PostgreSQL refuses to run as root, so root hands both to `nobody`; anybody else runs them as
 * himself. `nobody` can't enter root's home, where a project may well lie: then a folder under /var/tmp stands in.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  Stats,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export interface ServerUser {
  uid: number;
  gid: number;
}

/** @returns undefined where the servers run as the user who starts them. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [, , uid, gid] = /^nobody:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
  return { uid: Number(uid ?? 65534), gid: Number(gid ?? 65534) };
}

/** The owner of a folder, where the server on it must run as him. */
export function ownerOf(folder: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = statSync(folder);
  return { uid, gid };
}

/** Makes a folder, and its parents, that the user of the servers can enter too, whatever the umask. */
export function makeOpenFolder(folder: string): void {
  const umask = process.umask(0o022);
  mkdirSync(folder, { recursive: true });
  process.umask(umask);
}

/** Makes a folder that only the user of the servers can enter. */
export function makePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  giveAway(folder);
}

/** Hands a file or a whole folder to the user of the servers. */
export function giveAway(path: string): void {
  const user = serverUser();
  if (!user) return;
  lchownSync(path, user.uid, user.gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(path, entry), user.uid, user.gid);
  }
}

/**
 * The path itself where the servers can enter it, else one that stands in for it; neither is made here.
 * @throws Error when the other one belongs to somebody else: its name can be guessed, and everybody may write there.
 */
export function reachable(path: string): string {
  const user = serverUser();
  if (!user || canEnter(user, path)) return path;
  const standIn = `/var/tmp/user-service-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
  const stats = lstatSync(standIn, { throwIfNoEntry: false });
  if (stats && stats.uid !== 0) throw new Error(`${standIn} belongs to somebody else, remove it`);
  return standIn;
}

function canEnter(user: ServerUser, path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats && !maySearch(user, stats)) return false;
  const parent = dirname(path);
  return parent === path || canEnter(user, parent);
}

function maySearch(user: ServerUser, { uid, gid, mode }: Stats): boolean {
  if (uid === user.uid) return (mode & 0o100) !== 0;
  if (gid === user.gid) return (mode & 0o010) !== 0;
  return (mode & 0o001) !== 0;
}
