import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { STREAM_KEY } from '../infra/events/targets/redis-stream';

export interface StreamEntry {
  id: string;
  fields: Record<string, string>;
}

export interface ConsumerOptions {
  group: string;
  /** Name of this member; after a restart it gets what it had not acknowledged. */
  consumer: string;
  /** Where a new group begins. */
  from: 'start' | 'now';
}

type RawEntry = [id: string, fields: string[] | null];

const PAGE = 100;
const BLOCK_MS = 2_000;
/** An entry whose reader was silent for so long is taken over by another member of the group. */
const ABANDONED_MS = 60_000;

/**
 * A member of a consumer group on the event stream, as any subscriber would write it: first what it had not finished,
 * then what others have abandoned, then what is new. An entry is acknowledged after it was handled, so each is handled
 * at least once; `event_id` tells repetitions.
 */
export class StreamConsumer {
  /** A member that was away reads what it had not finished before anything new. */
  private stage: 'away' | 'unfinished' | 'new' = 'away';
  private start: '0' | '$';
  private claimAt = 0;

  constructor(
    private readonly redis: Redis,
    private readonly options: ConsumerOptions,
  ) {
    this.start = options.from === 'start' ? '0' : '$';
  }

  /**
   * Reads until the signal; a Redis that is away is asked again every half second.
   * @throws Error what `handle` throws, or Redis for good: a wrong password, a key that is no stream.
   */
  async run(handle: (entry: StreamEntry) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const entries = (await this.attempt(() => this.read(), signal)) ?? [];
      for (const [id, fields] of entries) {
        // Null where the stream has been trimmed meanwhile.
        if (fields) handle({ id, fields: toRecord(fields) });
      }
      await this.attempt(() => this.acknowledge(entries), signal);
    }
  }

  private async attempt<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!passes(error as Error)) throw error;
      this.stage = 'away';
      await sleep(500);
      return undefined;
    }
  }

  private async read(): Promise<RawEntry[]> {
    if (this.stage === 'away') await this.join();
    if (this.stage === 'unfinished') {
      const entries = await this.unfinished();
      if (entries.length > 0) return entries;
      this.stage = 'new';
    }
    const abandoned = await this.abandoned();
    return abandoned.length > 0 ? abandoned : this.next();
  }

  /** Makes the group where it is not there, or not there any more. */
  private async join(): Promise<void> {
    const { group } = this.options;
    try {
      await this.redis.xgroup('CREATE', STREAM_KEY, group, this.start, 'MKSTREAM');
    } catch (error) {
      if (!(error as Error).message.startsWith('BUSYGROUP')) throw error;
    }
    this.stage = 'unfinished';
    // Were the group lost with the data of a Redis, nothing that came meanwhile may be missed.
    this.start = '0';
  }

  private async acknowledge(entries: RawEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.redis.xack(STREAM_KEY, this.options.group, ...entries.map(([id]) => id));
  }

  private async unfinished(): Promise<RawEntry[]> {
    const { group, consumer } = this.options;
    return entriesOf(
      await this.redis.xreadgroup('GROUP', group, consumer, 'COUNT', PAGE, 'STREAMS', STREAM_KEY, '0'),
    );
  }

  private async next(): Promise<RawEntry[]> {
    const { group, consumer } = this.options;
    return entriesOf(
      await this.redis.xreadgroup(
        ...([
          'GROUP',
          group,
          consumer,
          'COUNT',
          PAGE,
          'BLOCK',
          BLOCK_MS,
          'STREAMS',
          STREAM_KEY,
          '>',
        ] as const),
      ),
    );
  }

  private async abandoned(): Promise<RawEntry[]> {
    if (performance.now() < this.claimAt) return [];
    const { group, consumer } = this.options;
    const [, entries] = (await this.redis.xautoclaim(
      ...([STREAM_KEY, group, consumer, ABANDONED_MS, '0', 'COUNT', PAGE] as const),
    )) as [string, RawEntry[]];
    if (entries.length === 0) this.claimAt = performance.now() + ABANDONED_MS / 2;
    return entries;
  }
}

function entriesOf(reply: unknown): RawEntry[] {
  return (reply as [key: string, entries: RawEntry[]][] | null)?.[0]?.[1] ?? [];
}

function toRecord(fields: string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i + 1 < fields.length; i += 2) record[fields[i]!] = fields[i + 1]!;
  return record;
}

/** Away, loading, failing over, or without our group: all of them pass. A wrong password or type does not. */
function passes({ name, message }: Error): boolean {
  return (
    name !== 'ReplyError' ||
    /^(NOGROUP|LOADING|READONLY|UNBLOCKED|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|OOM)/.test(message)
  );
}
