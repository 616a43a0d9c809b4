import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { loadConfig } from '../src/config/config';
import { dataSourceOptions } from '../src/infra/database/data-source-options';
import { whileHolding } from '../src/infra/database/while-holding';
import { createTestDatabase, TestDatabase } from './support/database';

const LOCK = [1970496882, 97] as const;
const SILENCE_MS = 1_000;

describe('Work under a lock of the fleet', () => {
  let stores: TestDatabase;
  let source: DataSource;
  let others: DataSource;

  beforeAll(async () => {
    stores = await createTestDatabase();
    const config = loadConfig({ DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl });
    const open = (): Promise<DataSource> =>
      new DataSource(dataSourceOptions(config, { poolSize: 1 })).initialize();
    [source, others] = await Promise.all([open(), open()]);
  });
  afterAll(async () => {
    await Promise.all([source.destroy(), others.destroy()]);
    await stores.drop();
  });
  const isFree = async (): Promise<boolean> => (await whileHolding(others, LOCK, async () => true)) ?? false;

  it('keeps the lock however long it takes, and leaves nothing of it on the connection', async () => {
    const seen = await whileHolding(source, LOCK, () => sleep(2 * SILENCE_MS).then(isFree), SILENCE_MS);
    expect(seen).toBe(false);
    expect(await isFree()).toBe(true);
    expect(await source.query('SHOW idle_session_timeout')).toEqual([{ idle_session_timeout: '0' }]);
  });

  it('loses the lock when its process hangs, and goes on when that wakes up', async () => {
    const isDone = await whileHolding(
      source,
      LOCK,
      async () => {
        await sleep(SILENCE_MS / 5);
        // Nothing else is done in this process meanwhile, as in one that was stopped.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * SILENCE_MS);
        return isFree();
      },
      SILENCE_MS,
    );
    expect(isDone).toBe(true);
    expect(await source.query('SELECT 1 AS answer')).toEqual([{ answer: 1 }]);
  });
});
