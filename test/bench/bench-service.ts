/** The service as a process of its own, and people who use it. */
import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/embedded/ports';

/** What `npm start` runs. */
export const SERVICE = join(__dirname, '..', '..', 'src', 'main.js');
export const PASSWORD = 'Ganga-Sunrise-42!';
const UNLIMITED = '1000000000';

export interface Member {
  userId: string;
  email: string;
  password: string;
  accessToken: string;
  refreshToken: string;
}

export interface BenchService {
  url: string;
  process: ChildProcess;
  stop(): Promise<void>;
}

interface TokenReply {
  access_token: string;
  refresh_token: string;
  user: { user_id: string };
}

/**
 * @param folder for its keys. @param settings beside those that every part of the benchmark has.
 * @param flags of Node.
 */
export async function startBenchService(
  folder: string,
  settings: Record<string, string>,
  flags: string[] = [],
): Promise<BenchService> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const service = spawn(process.execPath, [...flags, SERVICE], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      LOCAL_KMS_KEY_PATH: join(folder, 'keys', 'master.key'),
      HOST: '127.0.0.1',
      PORT: String(port),
      WEB_CONCURRENCY: '1',
      PASSWORD_BCRYPT_COST: '12',
      // One address and few accounts ask for everything here.
      RATELIMIT_LOGIN_ATTEMPTS: UNLIMITED,
      RATELIMIT_REGISTER_ATTEMPTS: UNLIMITED,
      RATELIMIT_REFRESH_ATTEMPTS: UNLIMITED,
      RATELIMIT_CREDENTIALS_READS: UNLIMITED,
      ...settings,
    },
  });
  const stop = async (): Promise<void> => {
    if (service.exitCode !== null) return;
    service.kill('SIGTERM');
    await once(service, 'exit', { signal: AbortSignal.timeout(30_000) }).catch(() => service.kill('SIGKILL'));
  };
  try {
    await ready(url, service);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, process: service, stop };
}

async function ready(url: string, service: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(50)) {
    if (service.exitCode !== null) break;
    const reply = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (reply?.ok) return;
  }
  throw new Error('the service did not start');
}

/** Has somebody sign up and in. */
export async function enrol(url: string, number: number): Promise<Member> {
  const email = `member-${number}@example.org`;
  await post(`${url}/v1/auth/register`, { email, password: PASSWORD, name: 'Asha Rao' });
  return signIn(url, email);
}

/** Once more: an access token is good for a quarter of an hour. */
export async function signIn(url: string, email: string): Promise<Member> {
  const body = { email, password: PASSWORD, token_delivery: 'body' };
  const tokens = (await post(`${url}/v1/auth/login`, body)) as TokenReply;
  return {
    userId: tokens.user.user_id,
    email,
    password: PASSWORD,
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token,
  };
}

async function post(url: string, body: object): Promise<unknown> {
  const reply = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`${url}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}
