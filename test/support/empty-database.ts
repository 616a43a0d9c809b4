import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { Config, loadConfig } from '../../src/config/config';
import { TestDatabase } from './database';

/** A database without a table, or with those of another one, beside one that was migrated. */
export async function createEmptyDatabase(
  stores: TestDatabase,
  template = 'template0',
): Promise<{ name: string; config: Config; drop(): Promise<void> }> {
  const name = `empty_${randomBytes(6).toString('hex')}`;
  const run = async (sql: string): Promise<void> => {
    const client = new Client({ connectionString: stores.databaseUrl });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  await run(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = Object.assign(new URL(stores.databaseUrl), { pathname: `/${name}` });
  return {
    name,
    config: loadConfig({ DATABASE_URL: url.href, REDIS_URL: stores.redisUrl }),
    drop: () => run(`DROP DATABASE ${name} WITH (FORCE)`),
  };
}
