import { Redis } from 'ioredis';
import { Config } from '../../config/config';
import { withDeadline } from '../deadline';
import { connectRedis } from '../redis/connect-redis';
import { RecordedEvent } from './recorded-event';

/** The Redis Stream that subscribers read. */
export const STREAM_KEY = 'user_service:events';
/** Who may write to it; the hash tag keeps it in the stream's slot of a Redis Cluster. */
const FENCE_KEY = `{${STREAM_KEY}}:term`;

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
] as const;

/**
 * Appends a batch, all of it or nothing, unless a publisher of a later term was here; or a later attempt of this one,
 * because a batch that was given up for lost may still arrive after its repetition.
 */
const APPEND = `
  local fence = redis.call('HMGET', KEYS[1], 'term', 'attempt')
  local last_term, last_attempt = tonumber(fence[1] or 0), tonumber(fence[2] or 0)
  local term, attempt = tonumber(ARGV[1]), tonumber(ARGV[2])
  if last_term > term or (last_term == term and last_attempt >= attempt) then return 0 end
  redis.call('HSET', KEYS[1], 'term', ARGV[1], 'attempt', ARGV[2])
  for first = 4, #ARGV, ${STREAM_FIELDS.length} do
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*',
      ${STREAM_FIELDS.map((field, index) => `'${field}', ARGV[first + ${index}]`).join(', ')})
  end
  return 1`;

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

  /**
   * Appends the events in this order, all or none. An error leaves open whether they arrived.
   * @throws Superseded when another process has become the publisher.
   */
  async append(events: readonly RecordedEvent[]): Promise<void> {
    const head = [this.term, ++this.attempt, this.config.EVENT_STREAM_MAXLEN];
    try {
      const appended = await this.redis.eval(
        APPEND,
        2,
        FENCE_KEY,
        STREAM_KEY,
        ...head,
        ...events.flatMap(toFields),
      );
      if (appended !== 1) throw new Superseded(this.term);
    } catch (error) {
      if (!(error instanceof Superseded)) this.reconnectAfter(error as Error);
      throw error;
    }
  }

  close(): void {
    this.redis.disconnect();
  }

  /** A connection that fails, or leads to a server that was demoted, is dropped with everything queued on it. */
  private reconnectAfter(error: Error): void {
    const answered = error.name === 'ReplyError' && !error.message.includes('READONLY');
    if (!answered && this.redis.status === 'ready') this.redis.disconnect(true);
  }
}

/** In the order of STREAM_FIELDS. */
function toFields(event: RecordedEvent): string[] {
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
  ];
}
