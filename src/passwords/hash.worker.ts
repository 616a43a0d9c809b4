/**
 * Runs in threads of its own. The synchronous calls are meant: they keep to this thread, while the asynchronous ones
 * would fill libuv's pool, and every RSA signature of the process would queue behind hashes. What few tasks need is
 * loaded with the first of them: the dictionaries alone would take a start of the service a tenth of a second a thread.
 */
import { compareSync, hashSync } from 'bcrypt';
import { randomBytes } from 'node:crypto';
import { getPriority, setPriority } from 'node:os';
import { BCRYPT_MAX_BYTES } from './bcrypt-limit';

export type HashTask =
  | { kind: 'hash'; password: string; cost: number }
  /** @property today the cost of new hashes. */
  | { kind: 'verify'; password: string; hash: string | null; today: number }
  | { kind: 'score'; password: string; about: string[] };

// On Linux a thread has a priority of its own, setpriority(2): hashes take what requests leave of the cores. Only root may
// raise one, so a process that was started with a lower priority than this keeps it.
const PRIORITY = 10;
if (process.platform === 'linux' && getPriority() < PRIORITY) setPriority(PRIORITY);

export default async function run(task: HashTask): Promise<string | boolean | number> {
  switch (task.kind) {
    case 'hash':
      return hashSync(task.password, task.cost);
    case 'verify':
      return verify(task);
    case 'score':
      return (await import('./password-score.js')).passwordScore(task.password, task.about);
  }
}

/**
 * What is refused takes as long as a bcrypt hash of today's cost: in one piece, for a second task could be refused or kept
 * waiting, and tell. Not so a dearer hash, and one of argon2id, which come with imports until their owner's next sign-in.
 */
async function verify({ password, hash, today }: HashTask & { kind: 'verify' }): Promise<boolean> {
  const matches = hash !== null && (await compare(password, hash));
  if (!matches) for (const cost of missingCosts(hash, today)) compareSync(password, decoyHash(cost));
  return matches;
}

/** Each cost is twice the one before: 10, 10 and 11 are a 12. After what is no bcrypt hash all of it is missing. */
function missingCosts(hash: string | null, today: number): number[] {
  const cost = /^\$2[aby]\$(\d\d)\$/.exec(hash ?? '')?.[1];
  if (cost === undefined) return [today];
  return Array.from({ length: Math.max(0, today - Number(cost)) }, (_, i) => Number(cost) + i);
}

/** A bcrypt hash of the right form with random digits: of no password. */
function decoyHash(cost: number): string {
  const digits = randomBytes(40).toString('base64url').replaceAll('-', '.').replaceAll('_', '/').slice(0, 53);
  return `$2b$${String(cost).padStart(2, '0')}$${digits}`;
}

async function compare(password: string, hash: string): Promise<boolean> {
  if (hash.startsWith('$argon2')) return verifyArgon2(password, hash);
  // What bcrypt would ignore or cut must not count as equal; comparing all the same keeps the time.
  const readable = Buffer.byteLength(password) <= BCRYPT_MAX_BYTES && !password.includes('\0');
  // PHP's name for the same algorithm, which the library does not know.
  return compareSync(password, hash.replace(/^\$2y\$/, '$2b$')) && readable;
}

/** A hash that was damaged on import is nobody's password, as bcrypt has it too; the library would throw. */
async function verifyArgon2(password: string, hash: string): Promise<boolean> {
  const { verifySync } = await import('@node-rs/argon2');
  try {
    return verifySync(hash, password);
  } catch {
    return false;
  }
}
