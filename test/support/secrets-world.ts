import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { KiteSandbox, startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { Canaries } from './canaries';
import { createTestDatabase, TestDatabase } from './database';
import { dumpDatabase, dumpRedis } from './dump-stores';
import { eventsPublished } from './events-published';
import { addKeys } from './key-canaries';
import { ServicePlace, ServiceProgram } from './service-process';

interface Call {
  method: string;
  path: string;
  body?: object | string;
  token?: string;
  apiKey?: string;
  headers?: Record<string, string>;
  /** The canaries that this reply is meant to carry. */
  carries?: readonly string[];
}

interface Reply {
  status: number;
  body: Record<string, unknown>;
}

/** A service in a process of its own that logs all it can, and everywhere a secret could have gone from it. */
export class SecretsWorld {
  readonly canaries = new Canaries();
  private readonly replies: { place: string; text: string; carries: readonly string[] }[] = [];

  private constructor(
    private readonly place: ServicePlace,
    private readonly program: ServiceProgram,
    private readonly stores: TestDatabase,
    readonly kite: KiteSandbox,
    readonly db: Client,
    readonly redis: Redis,
  ) {}

  static async make(): Promise<SecretsWorld> {
    const [place, stores, kite] = [
      await ServicePlace.make(),
      await createTestDatabase(),
      await startKiteSandbox(),
    ];
    const program = await place
      .service({
        DATABASE_URL: stores.databaseUrl,
        REDIS_URL: stores.redisUrl,
        KITE_API_BASE_URL: kite.url,
        KITE_LOGIN_URL: kite.loginUrl,
        KITE_API_TIMEOUT_SECONDS: '1',
        RATELIMIT_BROKER_CALLS: '1000',
        LOG_LEVEL: 'trace',
        DEBUG: 'true',
      })
      .ready();
    const db = new Client(stores.databaseUrl);
    await db.connect();
    return new SecretsWorld(place, program, stores, kite, db, new Redis(stores.redisUrl));
  }

  /** Sends a request, and keeps the reply for the search. */
  async call({ method, path, body, token, apiKey, headers, carries = [] }: Call): Promise<Reply> {
    const reply = await fetch(`http://127.0.0.1:${this.place.port}${path}`, {
      method,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(apiKey !== undefined && { 'X-API-Key': apiKey }),
        ...headers,
      },
      body: typeof body === 'object' ? JSON.stringify(body) : body,
    });
    const text = await reply.text();
    const place = `the reply of ${method} ${path.replace(/[\da-f-]{36}/g, '{id}')}`;
    this.replies.push({ place, text: `${JSON.stringify([...reply.headers])}\n${text}`, carries });
    return {
      status: reply.status,
      body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
    };
  }

  /** The text of the newest mail to an address. */
  async mailTo(address: string): Promise<string> {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(50)) {
      const { messages } = JSON.parse(await this.mails()) as { messages: { to: string; text: string }[] };
      const mail = messages.find(({ to }) => to === address);
      if (mail) return mail.text;
    }
    throw new Error(`no mail to ${address}`);
  }

  /** Waits until what was recorded is in the stream. */
  async settled(): Promise<void> {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(50)) {
      if (await eventsPublished(async (sql) => (await this.db.query<{ published: boolean }>(sql)).rows))
        return;
    }
    throw new Error('the relay takes too long');
  }

  /** Looks everywhere. @returns what was found. */
  async search(): Promise<string[]> {
    const places: [place: string, text: string, but?: readonly string[]][] = [
      ['the log', this.program.output],
      ['/metrics', await this.get('/metrics')],
      ['the mails', await this.mails()],
    ];
    for (const [table, text] of await dumpDatabase(this.db)) places.push([`table ${table}`, text]);
    for (const [key, text] of await dumpRedis(this.redis)) places.push([`Redis key ${key}`, text]);
    for (const { place, text, carries } of this.replies) places.push([place, text, carries]);
    return [
      ...new Set(places.flatMap(([place, text, but]) => this.canaries.findIn(place, text, but))),
    ].sort();
  }

  /** The master key and all that is under it now must not be found either. @returns how many there are. */
  keepKeys(): ReturnType<typeof addKeys> {
    return addKeys(this.canaries, this.db, this.place.keyPath);
  }

  /** How much there was to look at, so that an empty dump is noticed. */
  async extent(): Promise<{ log: number; tables: Map<string, string>; keys: number; replies: number }> {
    return {
      log: this.program.output.length,
      tables: await dumpDatabase(this.db),
      keys: (await dumpRedis(this.redis)).size,
      replies: this.replies.length,
    };
  }

  async stop(): Promise<void> {
    this.redis.disconnect();
    await this.db.end();
    await this.program.end('SIGINT');
    await this.kite.stop();
    await this.place.remove();
    await this.stores.drop();
  }

  private mails(): Promise<string> {
    return this.get('/dev/mailbox');
  }

  private async get(path: string): Promise<string> {
    const reply = await fetch(`http://127.0.0.1:${this.place.port}${path}`, {
      headers: { Accept: 'application/json' },
    });
    if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
    return reply.text();
  }
}
