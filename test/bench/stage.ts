/** Servers and a service of the benchmark's own, as processes on the loopback address, gone when it ends. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '../../src/embedded/embedded';
import { forget } from '../../src/embedded/forget';
import { startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { BenchService, enrol, Member, startBenchService } from './bench-service';
import { linkAccounts, LinkedAccounts } from './linked-accounts';

const ACCOUNTS = 16;

export interface Stage {
  url: string;
  redisUrl: string;
  databaseUrl: string;
  members: Member[];
  /** Of the first members. */
  accounts: LinkedAccounts;
  stop(): Promise<void>;
}

/** @param processes WEB_CONCURRENCY. @param people how many sign up and in. */
export async function setStage(processes: number, people: number): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'user-service-bench-'));
  // The servers' user has to get in.
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  const embedded = await startEmbedded({ dataDir });
  const kite = await startKiteSandbox({ isLimited: false });
  let service: BenchService | undefined;
  const stop = async (): Promise<void> => {
    await service?.stop();
    await kite.stop();
    await embedded.stop();
    await forget(dataDir);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    service = await startBenchService(folder, {
      DATABASE_URL: embedded.databaseUrl,
      REDIS_URL: embedded.redisUrl,
      WEB_CONCURRENCY: String(processes),
      KITE_API_BASE_URL: kite.url,
      KITE_LOGIN_URL: kite.loginUrl,
    });
    const { url } = service;
    const members = await Promise.all(Array.from({ length: people }, (_, i) => enrol(url, i)));
    const { redisUrl, databaseUrl } = embedded;
    const accounts = await linkAccounts({ url, databaseUrl }, kite, members.slice(0, ACCOUNTS));
    return { url, redisUrl, databaseUrl, members, accounts, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
