import { Command } from 'commander';
import { hostname } from 'node:os';
import { STREAM_KEY } from '../infra/events/targets/redis-stream';
import { connectRedis, onEveryConnection } from '../infra/redis/connect-redis';
import { commandConfig } from './command-config';
import { StreamConsumer, StreamEntry } from './stream-consumer';

interface TailOptions {
  group: string;
  consumer: string;
  fromStart?: boolean;
  json?: boolean;
}

/** `events tail`. */
export function eventsCommand(): Command {
  const events = new Command('events').description('Events that the service publishes.');
  events
    .command('tail')
    .description(`Prints the Redis Stream ${STREAM_KEY}, one event a line, as a member of a consumer group.`)
    .option('--group <name>', 'consumer group; its members share the events', 'events-tail')
    .option('--consumer <name>', 'name of this member of the group', hostname())
    .option('--from-start', 'begin a new group with the oldest event, not the next one')
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      '\nEvents are acknowledged once printed: what came while nobody was reading is printed at the next start.' +
        '\n\nExamples:\n  npm run cli -- events tail\n  npm run cli -- events tail --group audit --from-start --json',
    )
    .action(tail);
  return events;
}

async function tail(options: TailOptions): Promise<void> {
  const config = await commandConfig();
  if (config.EVENT_RELAY === 'kafka') {
    throw new Error(
      `EVENT_RELAY is kafka: nothing comes to the Redis Stream, read the topic ${config.KAFKA_TOPIC}`,
    );
  }
  // A read blocks for two seconds.
  const redis = connectRedis(config, { commandTimeout: 5_000, enableAutoPipelining: false });
  const stop = new AbortController();
  const end = (): void => {
    stop.abort();
    redis.disconnect();
  };
  process.once('SIGINT', end).once('SIGTERM', end);
  // The reader of a pipe has left.
  process.stdout.once('error', end);

  let away = false;
  redis.on('error', (error: Error) => {
    if (!away) console.error(`Redis is away, trying again: ${error.message}`);
    away = true;
  });
  onEveryConnection(redis, () => {
    if (away) console.error('Redis is back');
    away = false;
  });
  await redis.connect().catch(() => undefined);

  const from = options.fromStart ? 'start' : 'now';
  const consumer = new StreamConsumer(redis, { group: options.group, consumer: options.consumer, from });
  try {
    await consumer.run((entry) => console.log(options.json ? asJson(entry) : asText(entry)), stop.signal);
  } finally {
    end();
  }
}

function asText({ fields }: StreamEntry): string {
  const { timestamp, event_type: type = '', subject, actor, data } = fields;
  return `${timestamp}  ${type.padEnd(26)}  ${subject}  by ${actor}  ${data}`;
}

function asJson({ fields }: StreamEntry): string {
  const parse = (text = '{}'): unknown => JSON.parse(text);
  return JSON.stringify({ ...fields, data: parse(fields.data), metadata: parse(fields.metadata) });
}
