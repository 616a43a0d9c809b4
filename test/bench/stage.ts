/** Servers and a service of the benchmark's own, as processes on the loopback address, gone when it ends. */
import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbedded } from '../../src/embedded/embedded';
import { forget } from '../../src/embedded/forget';
import { startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { freePort } from '../../src/embedded/ports';
import { linkAccounts, LinkedAccounts } from './linked-accounts';

const SERVICE = join(__dirname, '..', '..', 'src', 'main.js');
const PASSWORD = 'Ganga-Sunrise-42!';
const UNLIMITED = '1000000000';
const ACCOUNTS = 16;

export interface Member {
  email: string;
  password: string;
  accessToken: string;
  refreshToken: string;
}

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
  let service: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (service && service.exitCode === null) {
      service.kill('SIGTERM');
      await once(service, 'exit', { signal: AbortSignal.timeout(30_000) }).catch(() =>
        service?.kill('SIGKILL'),
      );
    }
    await kite.stop();
    await embedded.stop();
    await forget(dataDir);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    service = spawn(process.execPath, [SERVICE], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'production',
        DATABASE_URL: embedded.databaseUrl,
        REDIS_URL: embedded.redisUrl,
        LOCAL_KMS_KEY_PATH: join(folder, 'keys', 'master.key'),
        HOST: '127.0.0.1',
        PORT: String(port),
        WEB_CONCURRENCY: String(processes),
        PASSWORD_BCRYPT_COST: '12',
        // One address and few accounts ask for everything here.
        RATELIMIT_LOGIN_ATTEMPTS: UNLIMITED,
        RATELIMIT_REGISTER_ATTEMPTS: UNLIMITED,
        RATELIMIT_REFRESH_ATTEMPTS: UNLIMITED,
        RATELIMIT_CREDENTIALS_READS: UNLIMITED,
        KITE_API_BASE_URL: kite.url,
        KITE_LOGIN_URL: kite.loginUrl,
      },
    });
    await ready(url, service);
    const members = await Promise.all(Array.from({ length: people }, (_, i) => enrol(url, i)));
    const { redisUrl, databaseUrl } = embedded;
    const accounts = await linkAccounts({ url, databaseUrl }, kite, members.slice(0, ACCOUNTS));
    return { url, redisUrl, databaseUrl, members, accounts, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function ready(url: string, service: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(50)) {
    if (service.exitCode !== null) break;
    const reply = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (reply?.ok) return;
  }
  throw new Error('the service did not start');
}

async function enrol(url: string, number: number): Promise<Member> {
  const email = `member-${number}@example.org`;
  const post = async (path: string, body: object): Promise<Record<string, string>> => {
    const reply = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return (await reply.json()) as Record<string, string>;
  };
  await post('/v1/auth/register', { email, password: PASSWORD, name: 'Asha Rao' });
  const tokens = await post('/v1/auth/login', { email, password: PASSWORD, token_delivery: 'body' });
  return {
    email,
    password: PASSWORD,
    accessToken: tokens.access_token!,
    refreshToken: tokens.refresh_token!,
  };
}
