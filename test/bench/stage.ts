/** Servers and a service of the benchmark's own, as processes on the loopback address, gone when it ends. */
import { startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { fewAtOnce } from '../../src/infra/few-at-once';
import { BenchService, enrol, Member, startBenchService } from './bench-service';
import { linkAccounts, LinkedAccounts } from './linked-accounts';
import { startServers } from './servers';

const ACCOUNTS = 16;

export interface Stage {
  url: string;
  /** Of the service. */
  pid: number;
  /** How many share its port. */
  processes: number;
  redisUrl: string;
  databaseUrl: string;
  members: Member[];
  /** Of the first members. */
  accounts: LinkedAccounts;
  stop(): Promise<void>;
}

/** @param processes WEB_CONCURRENCY. @param people how many sign up and in. */
export async function setStage(processes: number, people: number): Promise<Stage> {
  const servers = await startServers();
  const { databaseUrl, redisUrl } = servers;
  const kite = await startKiteSandbox({ isLimited: false });
  let service: BenchService | undefined;
  const stop = async (): Promise<void> => {
    await service?.stop();
    await kite.stop();
    await servers.stop();
  };
  try {
    service = await startBenchService(servers.folder, {
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      WEB_CONCURRENCY: String(processes),
      KITE_API_BASE_URL: kite.url,
      KITE_LOGIN_URL: kite.loginUrl,
    });
    const { url } = service;
    const members = await fewAtOnce(
      Array.from({ length: people }, (_, i) => i),
      { atOnce: 8, milliseconds: 120_000, what: 'signing up' },
      (i) => enrol(url, i),
    );
    const accounts = await linkAccounts({ url, databaseUrl }, kite, members.slice(0, ACCOUNTS));
    return { url, pid: service.process.pid!, processes, redisUrl, databaseUrl, members, accounts, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
