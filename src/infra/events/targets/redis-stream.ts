import { Config } from '../../../config/config';
import { EVENT_VERSION } from '../event-message';
import { LinkedEvent } from '../recorded-event';
import { RelayRedis } from '../relay-redis';
import { Superseded } from '../superseded';
import { Held, RelayTarget } from './relay-target';

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
  'version',
  'chain_position',
  'chain_hash',
] as const;

/**
 * Appends a batch, all of it or nothing, unless a publisher of a later term was here; or a later attempt of this one,
 * because a batch that was given up for lost may still arrive after its repetition. Keeps the position of the last event
 * with the events, so that it gets lost with them, and appends nothing to a Redis that has forgotten it: one that was
 * emptied, or, in a cluster, a replica that took over without the last batch, to which MOVED leads without a word.
 */
const APPEND = `
  local fence = redis.call('HMGET', KEYS[1], 'term', 'attempt', 'position')
  local last_term, last_attempt = tonumber(fence[1] or 0), tonumber(fence[2] or 0)
  local term, attempt = tonumber(ARGV[1]), tonumber(ARGV[2])
  if last_term > term or (last_term == term and last_attempt >= attempt) then return 'superseded' end
  if ARGV[4] ~= '' then
    if last_term ~= term or (fence[3] or '') ~= ARGV[5] then return 'forgotten' end
    redis.call('HSET', KEYS[1], 'position', ARGV[4])
  end
  redis.call('HSET', KEYS[1], 'term', ARGV[1], 'attempt', ARGV[2])
  for first = 6, #ARGV, ${STREAM_FIELDS.length} do
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*',
      ${STREAM_FIELDS.map((field, index) => `'${field}', ARGV[first + ${index}]`).join(', ')})
  end
  return 'appended'`;

/** The Redis Stream, as the publisher of one term writes it, over the publisher's connection to Redis. */
export class RedisStream implements RelayTarget {
  private attempt = 0;
  /** As Redis had it, or was given it, last. */
  private position = '';

  constructor(
    private readonly config: Config,
    private readonly redis: RelayRedis,
    private readonly term: number,
  ) {}

  get connections(): number {
    return this.redis.connections;
  }

  /** Redis may have lost events that were on the stream already, and with them the position of the last. */
  async held(): Promise<Held> {
    const [term, position] = await this.redis.ask((redis) => redis.hmget(FENCE_KEY, 'term', 'position'));
    this.position = position ?? '';
    return { isEmpty: term === null, position: position ? Number(position) : null };
  }

  async claim(): Promise<void> {
    await this.write('', []);
  }

  async append(events: readonly LinkedEvent[]): Promise<void> {
    await this.write(String(events.at(-1)!.position), events.flatMap(toFields));
  }

  private async write(position: string, fields: string[]): Promise<void> {
    const head = [this.term, ++this.attempt, this.config.EVENT_STREAM_MAXLEN, position, this.position];
    await this.redis.ask(async (redis) => {
      const outcome = await redis.eval(APPEND, 2, FENCE_KEY, STREAM_KEY, ...head, ...fields);
      if (outcome === 'superseded') throw new Superseded(this.term);
      if (outcome !== 'appended') throw new Error('Redis has lost events');
    });
    if (position) this.position = position;
  }

  close(): void {
    this.redis.close();
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
    EVENT_VERSION,
    String(event.position),
    event.hash.toString('hex'),
  ];
}
