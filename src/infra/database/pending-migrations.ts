import { Client } from 'pg';
import type { MigrationInterface } from 'typeorm';
import type { Config } from '../../config/config';

export type MigrationClass = new () => MigrationInterface;

export const MIGRATIONS_TABLE = 'migrations';

/**
 * Names of the steps that the database lacks; it changes nothing and needs no right to. TypeORM stays unloaded: every
 * start asks this, also in the process that only starts others.
 */
export async function pendingMigrations(
  config: Config,
  migrations: readonly MigrationClass[],
): Promise<string[]> {
  const client = new Client({
    connectionString: config.DATABASE_URL,
    application_name: config.APP_NAME,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows: tables } = await client.query<{ there: boolean }>(
      'SELECT to_regclass($1) IS NOT NULL AS there',
      [MIGRATIONS_TABLE],
    );
    const { rows } = tables[0]?.there
      ? await client.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE}`)
      : { rows: [] };
    const executed = new Set(rows.map((row) => row.name));
    return migrations.map((migration) => migration.name).filter((name) => !executed.has(name));
  } finally {
    await client.end().catch(() => undefined);
  }
}
