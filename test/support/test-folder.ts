import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolder } from '../../src/embedded/data-folder';
import { forget } from '../../src/embedded/forget';
import { endProcess, markOf } from '../../src/embedded/process-mark';

const PREFIX = 'user-service-test-';

/** A temporary folder that the user of the servers can enter, as a project folder usually is. */
export function makeTestFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  chmodSync(folder, 0o755);
  return folder;
}

/** Where the servers on a test folder keep their data. */
export const dataDirOf = (folder: string): string => join(folder, 'data');

/** Stops and deletes what test runs that were killed have left; runs that are going on are left alone. */
export async function deleteLeftovers(): Promise<void> {
  const folders = readdirSync(tmpdir()).filter((name) => {
    const [, pid] = new RegExp(`^${PREFIX}(\\d+)-`).exec(name) ?? [];
    return pid && !markOf(Number(pid));
  });
  await Promise.all(folders.map((name) => deleteLeftover(join(tmpdir(), name))));
}

async function deleteLeftover(folder: string): Promise<void> {
  const service = DataFolder.locate(dataDirOf(folder)).lock.holder();
  if (service) await endProcess(service, [['SIGKILL', 5_000]]);
  await forget(dataDirOf(folder));
  rmSync(folder, { recursive: true, force: true });
}
