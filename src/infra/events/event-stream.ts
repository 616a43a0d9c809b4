import { Redis } from 'ioredis';
import { Config } from '../../config/config';
import { withDeadline } from '../deadline';
import { connectRedis } from '../redis/connect-redis';
import { LinkedEvent } from './recorded-event';

/** The Redis Stream that subscribers read. */
export const STREAM_KEY = 'user_service:events';
/** Who may write to it; the hash tag keeps it in the stream's slot of a Redis Cluster. */
const FENCE_KEY = `{${STREAM_KEY}}:term`;

/** Of a stream entry's fields; grows only where one changes its meaning or goes. New fields may come at any time. */
export const STREAM_VERSION = '1';

/** Names of a stream entry's fields, all of them texts. */
export const STREAM_FIELDS = [
  'event_id',
  'event_type',
  'timestamp',
  'source',
  'priority',
  'subject',
  'actor',
  'resource',
  'data',
  'metadata',
  'version',
  'chain_position',
  'chain_hash',
] as const;

/**
 * Appends a batch, all of it or nothing, unless a publisher of a later term was here; or a later attempt of this one,
 * because a batch that was given up for lost may still arrive after its repetition. Keeps the position of the last event
 * with the events, so that it gets lost with them, and appends nothing to a Redis that has forgotten it.
 */
const APPEND = `
  local fence = redis.call('HMGET', KEYS[1], 'term', 'attempt')
  local last_term, last_attempt = tonumber(fence[1] or 0), tonumber(fence[2] or 0)
  local term, attempt = tonumber(ARGV[1]), tonumber(ARGV[2])
  if last_term > term or (last_term == term and last_attempt >= attempt) then return 'superseded' end
  if ARGV[4] ~= '' then
    if last_term ~= term then return 'forgotten' end
    redis.call('HSET', KEYS[1], 'position', ARGV[4])
  end
  redis.call('HSET', KEYS[1], 'term', ARGV[1], 'attempt', ARGV[2])
  for first = 5, #ARGV, ${STREAM_FIELDS.length} do
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*',
      ${STREAM_FIELDS.map((field, index) => `'${field}', ARGV[first + ${index}]`).join(', ')})
  end
  return 'appended'`;

/** What a stream knows of those who wrote to it: the position of the last event, unless an older release wrote it. */
export interface Held {
  /** Nobody has ever written to it, or Redis has lost everything. */
  isEmpty: boolean;
  position: number | null;
}

/** Another process has become the publisher. */
export class Superseded extends Error {
  constructor(term: number) {
    super(`term ${term} is over: another process publishes`);
    this.name = 'Superseded';
  }
}

/** The stream, as the publisher of one term writes it: over a Redis connection of its own. */
export class EventStream {
  /** Grows with every connection: after each one Redis may have lost its last writes. */
  connections = 0;
  private attempt = 0;
  private readonly redis: Redis;

  constructor(
    private readonly config: Config,
    private readonly term: number,
  ) {
    this.redis = connectRedis(config, {
      connectionName: `${config.APP_NAME}:relay`,
      commandTimeout: Math.min(config.REDIS_COMMAND_TIMEOUT_MS, 2_000),
      enableAutoPipelining: false,
      autoResendUnfulfilledCommands: false,
    });
    this.redis.on('ready', () => this.connections++);
    // `append` tells; an unheard 'error' would be printed.
    this.redis.on('error', () => undefined);
  }

  /** Connects, and goes on trying by itself where that fails at first. */
  async open(): Promise<void> {
    await withDeadline(this.redis.connect(), 2_000, 'Redis').catch(() => undefined);
  }

  /** What a new connection leads to: Redis may have lost events that were on the stream already. */
  async held(): Promise<Held> {
    return this.reconnecting(async () => {
      const [term, position] = await this.redis.hmget(FENCE_KEY, 'term', 'position');
      return { isEmpty: term === null, position: position ? Number(position) : null };
    });
  }

  /** Shuts out the publisher before, to be called on each connection before events are appended. @throws Superseded */
  async claim(): Promise<void> {
    await this.write('', []);
  }

  /**
   * Appends the events in this order, all or none. An error leaves open whether they arrived.
   * @throws Superseded when another process has become the publisher.
   */
  async append(events: readonly LinkedEvent[]): Promise<void> {
    await this.write(String(events.at(-1)!.position), events.flatMap(toFields));
  }

  private async write(position: string, fields: string[]): Promise<void> {
    const head = [this.term, ++this.attempt, this.config.EVENT_STREAM_MAXLEN, position];
    await this.reconnecting(async () => {
      const outcome = await this.redis.eval(APPEND, 2, FENCE_KEY, STREAM_KEY, ...head, ...fields);
      if (outcome === 'superseded') throw new Superseded(this.term);
      if (outcome !== 'appended') throw new Error('Redis has lost its data');
    });
  }

  close(): void {
    this.redis.disconnect();
  }

  /** A connection that fails, or leads to a server that was demoted or emptied, is dropped with everything queued on it. */
  private async reconnecting<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Superseded) throw error;
      const { name, message } = error as Error;
      const answered = name === 'ReplyError' && !message.includes('READONLY');
      if (!answered && this.redis.status === 'ready') this.redis.disconnect(true);
      throw error;
    }
  }
}

/** In the order of STREAM_FIELDS. */
function toFields(event: LinkedEvent): string[] {
  return [
    event.eventId,
    event.type,
    event.timestamp.toISOString(),
    event.source,
    event.priority,
    event.subject,
    event.actor,
    event.resource ?? '',
    JSON.stringify(event.data),
    JSON.stringify(event.metadata),
    STREAM_VERSION,
    String(event.position),
    event.hash.toString('hex'),
  ];
}
