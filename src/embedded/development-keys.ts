import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEVELOPMENT_KEY_MARK } from '../config/weaknesses';

/**
 * Makes the master key of a development machine where there is none. An existing key is never touched.
 * @param path `LOCAL_KMS_KEY_PATH`.
 * @returns whether it made one.
 */
export function makeDevelopmentKey(path: string): boolean {
  if (existsSync(path)) return false;
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  const key = randomBytes(32).toString('hex');
  writeFileSync(draft, `${DEVELOPMENT_KEY_MARK}, made on the first start; never use it elsewhere\n${key}\n`, {
    mode: 0o600,
  });
  try {
    // Whole or not at all, and never over one that another process has just made.
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (existsSync(path)) return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

/**
 * Deletes the development key and the first administrator's password beside it.
 * @returns whether there was one; a key that isn't marked as a development key stays, and all beside it.
 */
export function deleteDevelopmentKey(path: string): boolean {
  if (!existsSync(path) || !readFileSync(path, 'utf8').startsWith(DEVELOPMENT_KEY_MARK)) return false;
  rmSync(join(dirname(path), 'administrator.json'), { force: true });
  // What a rotation that was killed has left.
  rmSync(`${path}.new`, { force: true });
  rmSync(path);
  return true;
}
