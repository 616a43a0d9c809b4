import { ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { DataSource } from 'typeorm';
import { systemCaller } from '../../src/common/caller';
import { Clock } from '../../src/common/clock';
import { Config, loadConfig } from '../../src/config/config';
import { dataSourceOptions } from '../../src/infra/database/data-source-options';
import { connectRedis } from '../../src/infra/redis/connect-redis';
import { STREAM_KEY } from '../../src/infra/events/targets/redis-stream';
import { EventType } from '../../src/infra/events/event-types';
import { Events, NewEvent } from '../../src/infra/events/events';
import { eventsPublished } from './events-published';

export type StreamedEvent = Record<string, string>;

/** A database with events, the stream they go to, and relays that can be killed. */
export class EventWorld {
  private readonly relays: ChildProcess[] = [];

  private constructor(
    readonly config: Config,
    readonly db: DataSource,
    readonly redis: Redis,
  ) {}

  static async create(databaseUrl: string, redisUrl: string): Promise<EventWorld> {
    const config = loadConfig({ DATABASE_URL: databaseUrl, REDIS_URL: redisUrl });
    const db = await new DataSource(dataSourceOptions(config)).initialize();
    const isCluster = redisUrl.includes(',');
    const redis = isCluster ? connectRedis(config) : new Redis(redisUrl, { maxRetriesPerRequest: null });
    if (isCluster) await redis.connect();
    redis.on('error', () => undefined);
    return new EventWorld(config, db, redis);
  }

  /** Records in a transaction of its own. `before` and `after` run inside it, around the record. */
  async record(event: NewEvent<EventType>, around: { after?: () => Promise<void> } = {}): Promise<void> {
    const events = new Events(new Clock(), this.config);
    await this.db.transaction(async (tx) => {
      await events.record(tx, { ...systemCaller('request-1'), userAgent: 'test' }, event);
      await around.after?.();
    });
  }

  /** A `user.updated` with a number in it. */
  numbered(subject: string, number: number): NewEvent<'user.updated'> {
    return { type: 'user.updated', subject, data: { fields: [String(number)] } };
  }

  /** What the stream holds, oldest first. */
  async streamed(): Promise<StreamedEvent[]> {
    const entries = await this.redis.xrange(STREAM_KEY, '-', '+');
    return entries.map(([, fields]) =>
      Object.fromEntries(fields.flatMap((value, i) => (i % 2 ? [] : [[value, fields[i + 1]!]]))),
    );
  }

  /** Waits until every committed event has its link and is on the stream. */
  async published(milliseconds?: number): Promise<void> {
    await eventually(() => eventsPublished((sql) => this.db.query(sql)), milliseconds);
  }

  /** Waits until every committed event has its link. */
  async linked(milliseconds?: number): Promise<void> {
    await eventually(async () => {
      const rows = await this.db.query(`SELECT FROM event_outbox LIMIT 1`);
      return rows.length === 0;
    }, milliseconds);
  }

  /** What is on the stream, and what waits, is as if it had never been; the publisher's claim stays. */
  async forget(): Promise<void> {
    await this.db.query('DELETE FROM event_outbox');
    await this.db.query(
      'UPDATE event_relay SET published_position = chain_position, published_day = chain_day',
    );
    await this.redis.del(STREAM_KEY);
  }

  /** @param freezesAt type of event at which the relay stops itself, between reading and publishing it. */
  startRelay(freezesAt?: EventType): ChildProcess & { states: string[] } {
    const settings = JSON.stringify({
      DATABASE_URL: this.config.DATABASE_URL,
      REDIS_URL: this.config.REDIS_URL,
    });
    const child = fork(join(__dirname, 'relay-process.js'), {
      env: { PATH: process.env.PATH, RELAY_CONFIG: settings, ...(freezesAt && { RELAY_FREEZES: freezesAt }) },
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.relays.push(child);
    const states: string[] = [];
    child.on('message', (message) => states.push(message as string));
    return Object.assign(child, { states });
  }

  /**
   * Ends the relay's connections to Redis; of this world alone, for the server is everybody's. Of a cluster, those to one
   * node.
   */
  async cutRelayOff(): Promise<void> {
    const [node = this.redis] = this.redis.isCluster ? nodesOf(this.redis) : [];
    const database = `db=${node.options.db ?? 0}`;
    const list = (await node.client('LIST')) as string;
    const relays = list
      .split('\n')
      .map((line) => line.split(' '))
      .filter((fields) => fields.includes(database) && fields.includes(`name=${this.config.APP_NAME}:relay`))
      .map((fields) => fields.find((field) => field.startsWith('id='))!.slice('id='.length));
    if (relays.length === 0) throw new Error('no relay is connected');
    for (const id of relays) await node.client('KILL', 'ID', id);
  }

  async kill(relay: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (relay.exitCode !== null || relay.signalCode !== null) return;
    const ended = once(relay, 'exit');
    relay.kill(signal);
    await ended;
  }

  async close(): Promise<void> {
    await Promise.all(this.relays.map((relay) => this.kill(relay, 'SIGKILL')));
    this.redis.disconnect();
    await this.db.destroy();
  }
}

const nodesOf = (redis: Redis): Redis[] => (redis as unknown as Cluster).nodes('master');

/** Waits until it is so. @throws Error when it takes longer. */
export async function eventually(
  isSo: () => Promise<boolean> | boolean,
  milliseconds = 15_000,
): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${milliseconds} ms`);
    await sleep(50);
  }
}

/** Whether a relay process is the publisher, as far as it has told. */
export const leads = (relay: { states: string[] }): boolean =>
  relay.states.at(-1)?.startsWith('publishing events') ?? false;
