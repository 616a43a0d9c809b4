import 'reflect-metadata';
import { INestApplication, LoggerService } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { createApp } from '../../src/app.setup';
import { Clock } from '../../src/common/clock';
import { Config, CONFIG, loadConfig } from '../../src/config/config';
import { MailboxEntry, MailboxTransport } from '../../src/infra/mail/mailbox-transport';
import { openApiDocument } from '../../src/doors/http/openapi';
import { Events } from '../../src/infra/events/events';
import { createTestDatabase, TestDatabase } from './database';
import { checkEvents } from './event-check';
import { ResponseCheck } from './response-check';
import { noteEvents } from './seen-events';
import { notesFolder } from './seen-replies';

export interface TestService {
  url: string;
  config: Config;
  app: INestApplication;
  db: DataSource;
  redis: Redis;
  /**
   * An HTTP client; each one comes from another client address, so that limits of one do not touch the next.
   * Every reply is compared with the OpenAPI document.
   */
  client(): Client;
  /** Moves the service's clock. */
  advance(milliseconds: number): void;
  /** Waits for the newest mail to an address whose subject fits. */
  mailTo(address: string, subject?: RegExp): Promise<MailboxEntry>;
  mails(address: string): Promise<MailboxEntry[]>;
  /** Another instance on the same stores and keys. */
  another(overrides?: Record<string, string>): Promise<TestService>;
  stop(): Promise<void>;
}

export interface Client {
  ip: string;
  get(path: string, token?: string): request.Test;
  post(path: string, body?: object, token?: string): request.Test;
  put(path: string, body: object, token?: string): request.Test;
  patch(path: string, body: object, token?: string): request.Test;
  delete(path: string, token?: string): request.Test;
}

const PATIENT = {
  DATABASE_POOL_TIMEOUT: '5',
  DATABASE_QUERY_TIMEOUT_MS: '5000',
  REDIS_COMMAND_TIMEOUT_MS: '5000',
};

/** The whole service in this process, on a database of its own, listening on a port of its own. */
export async function startService(
  overrides: Record<string, string> = {},
  stores?: TestDatabase,
): Promise<TestService> {
  const database = stores ?? (await createTestDatabase());
  const keys = mkdtempSync(join(tmpdir(), 'user-service-keys-'));
  const keyFile = join(keys, 'master.key');
  writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
  const env = {
    DATABASE_URL: database.databaseUrl,
    REDIS_URL: database.redisUrl,
    LOCAL_KMS_KEY_PATH: keyFile,
    PORT: '0',
    LOG_LEVEL: 'silent',
    PUBLIC_URL: 'http://id.test',
    TRUSTED_PROXIES: '127.0.0.1,::1',
    // Fast hashes: their strength is not what most tests are about.
    PASSWORD_BCRYPT_COST: '4',
    PASSWORD_HASH_CONCURRENCY: '1',
    PASSWORD_HASH_QUEUE: '64',
    WEB_CONCURRENCY: '1',
    DATABASE_POOL_SIZE: '8',
    // Deadlines are what tests on servers of their own are about; elsewhere a busy machine must not be an outage.
    ...(!stores && PATIENT),
    ...overrides,
  };
  const service = await start(env, database);
  return {
    ...service,
    another: (more = {}) => start({ ...env, ...more }, database),
    stop: async () => {
      // Servers of one spec's own may be gone by now, and a service may have been stopped already.
      if (!stores) await noteEvents(service.db, notesFolder()).catch(() => undefined);
      await service.stop();
      rmSync(keys, { recursive: true, force: true });
      if (!stores) await database.drop();
    },
  };
}

declare global {
  /** What services logged as errors and warnings in this spec, see telling-environment.js. */
  var serviceErrors: string[] | undefined;
}

/** LOG_LEVEL is `silent`; what went wrong is kept for whoever reads of a failed test. */
class TellingLogger implements LoggerService {
  log(): void {}
  warn(...what: unknown[]): void {
    this.error(...what);
  }
  error(...what: unknown[]): void {
    globalThis.serviceErrors?.push(`${new Date().toISOString()} ${JSON.stringify(what)}`);
  }
}

async function start(env: Record<string, string>, stores: TestDatabase): Promise<TestService> {
  const config = loadConfig(env);
  const app = await createApp(config);
  checkEvents(app.get(Events));
  if (env.LOG_LEVEL === 'silent') app.useLogger(new TellingLogger());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  newestApp = app;
  const clock = app.get(Clock);
  const mailbox = app.get(MailboxTransport);
  let offset = 0;
  clock.now = () => Date.now() + offset;
  const mails = async (address: string): Promise<MailboxEntry[]> =>
    (await mailbox.list()).filter((mail) => mail.to === address);
  return {
    url,
    config,
    app,
    db: app.get(DataSource),
    redis: app.get(Redis),
    client: () => client(url),
    advance: (milliseconds) => {
      offset += milliseconds;
    },
    mails,
    mailTo: (address, subject = /./) =>
      eventually(
        async () => (await mails(address)).find((mail) => subject.test(mail.subject)),
        `a mail to ${address} about ${subject}`,
      ),
    another: (more = {}) => start({ ...env, ...more }, stores),
    stop: () => app.close(),
  };
}

let newestApp: INestApplication | undefined;
let responseCheck: ResponseCheck | undefined;

/** The document of every service in this process is the same, but for the URL it names. */
function checkResponse(reply: request.Response, test: request.Test): void {
  if (!newestApp) return;
  responseCheck ??= new ResponseCheck(openApiDocument(newestApp, newestApp.get<Config>(CONFIG)));
  const { pathname } = new URL(test.url);
  responseCheck.check(test.method, pathname, reply);
}

let clients = 0;

export function client(url: string): Client {
  const number = (process.pid % 200) * 60_000 + ++clients;
  const ip = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  const prepare = (test: request.Test, token?: string): request.Test => {
    test.set('X-Forwarded-For', ip).set('User-Agent', 'test-browser/1.0');
    tellCode(test);
    test.expect((reply) => checkResponse(reply, test));
    return token === undefined ? test : test.set('Authorization', `Bearer ${token}`);
  };
  return {
    ip,
    get: (path, token) => prepare(request(url).get(path), token),
    post: (path, body, token) => prepare(request(url).post(path), token).send(body),
    put: (path, body, token) => prepare(request(url).put(path), token).send(body),
    patch: (path, body, token) => prepare(request(url).patch(path), token).send(body),
    delete: (path, token) => prepare(request(url).delete(path), token),
  };
}

/** Of a reply with an unexpected status the failure names the problem's `code` too, and the call. */
function tellCode(test: request.Test): void {
  const inner = test as unknown as {
    _assertStatus(status: number, reply: request.Response): Error | undefined;
  };
  const assertStatus = inner._assertStatus.bind(test);
  inner._assertStatus = (status, reply) => {
    const error = assertStatus(status, reply);
    if (error)
      error.message += ` (${test.method} ${test.url}: ${String((reply.body as { code?: string })?.code)})`;
    return error;
  };
}

/** Asks until there is an answer that is not undefined, null or false; fails after ten seconds. */
export async function eventually<T>(
  ask: () => Promise<T | undefined | null | false>,
  what: string,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
