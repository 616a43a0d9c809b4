import { migrations } from '../../migrations/index';
import type { Config } from '../config/config';
import { pendingMigrations } from '../infra/database/pending-migrations';
import { step } from './progress';

/** Development gets its key, where it is in a file, and its tables by itself. */
export async function prepareDevelopment(config: Config): Promise<void> {
  if (config.KMS_PROVIDER === 'local') await prepareKey(config.LOCAL_KMS_KEY_PATH);
  const { migrate } = await import('../infra/database/migrate.js');
  await step(
    () => migrate(config, migrations),
    (done) => (done.length > 0 ? `${done.length} migrations` : 'database up to date'),
  );
}

/**
 * Elsewhere tables change when the operator says so.
 * @throws Error when the database lacks a migration, or can't be reached.
 */
export async function requireMigrated(config: Config): Promise<void> {
  const pending = await pendingMigrations(config, migrations);
  if (pending.length > 0) {
    throw new Error(`the database lacks ${pending.join(', ')}: run \`npm run migrate\` first`);
  }
}

async function prepareKey(path: string): Promise<void> {
  const { makeDevelopmentKey } = await import('../embedded/development-keys.js');
  await step(
    async () => makeDevelopmentKey(path),
    (made) => (made ? `development key in ${path}` : undefined),
  );
}
