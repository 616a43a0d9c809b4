import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '../../src/embedded/embedded';
import { forget } from '../../src/embedded/forget';
import type { PostgresSettings } from '../../src/embedded/postgres';

/** A PostgreSQL and a Redis of the benchmark's own, with a folder for whatever else it keeps. */
export interface Servers {
  folder: string;
  databaseUrl: string;
  redisUrl: string;
  /** Stops both; nothing of them stays. */
  stop(): Promise<void>;
}

export async function startServers(postgres: PostgresSettings = {}): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'user-service-bench-'));
  // The servers' user has to get in.
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  const { databaseUrl, redisUrl, ...embedded } = await startEmbedded({ dataDir, postgres });
  const stop = async (): Promise<void> => {
    await embedded.stop();
    await forget(dataDir);
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, databaseUrl, redisUrl, stop };
}
