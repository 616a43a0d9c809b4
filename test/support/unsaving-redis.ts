import { mkdirSync, rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { eventually } from './app';
import { OwnServers } from './servers';

/**
 * Has Redis refuse every write (MISCONF), as it does while it cannot save what it holds: a disk is full, or gone.
 * @returns what ends it.
 */
export async function keepFromSaving(
  { dataDir }: OwnServers,
  operator: Redis,
): Promise<() => Promise<unknown>> {
  // Nothing is written over a folder, by root neither.
  const snapshot = `${dataDir}/redis/dump.rdb`;
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
