import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './app';

/**
 * Has a Redis of this machine refuse every write (MISCONF), as it does while it cannot save what it holds: a disk is full,
 * or gone.
 * @returns what ends it.
 */
export async function keepFromSaving(operator: Redis): Promise<() => Promise<unknown>> {
  // Nothing is written over a folder, by root neither.
  const [, folder] = (await operator.config('GET', 'dir')) as [string, string];
  const snapshot = join(folder, 'dump.rdb');
  rmSync(snapshot, { recursive: true, force: true });
  mkdirSync(snapshot);
  await operator.config('SET', 'save', '86400 1000000');
  await operator.bgsave();
  await eventually(
    async () => (await operator.info('persistence')).includes('rdb_last_bgsave_status:err'),
    'saving to fail',
  );
  return async () => {
    rmSync(snapshot, { recursive: true });
    await operator.config('SET', 'save', '');
  };
}
