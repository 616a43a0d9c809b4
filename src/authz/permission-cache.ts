import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { Redis, Result } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../common/ids';
import { CONFIG, Config } from '../config/config';
import { Relay } from '../infra/events/relay';
import { NearCache } from '../infra/near/near-cache';
import { isUnavailable } from '../infra/unavailable';
import { cacheLookups } from './authz-metrics';
import { clearScript, fenceScript, fillScript, readScript } from './permission-cache-scripts';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    readPermissions(key: string, newGeneration: string, lifeMs: number): Result<Entry, Context>;
    fillPermissions(key: string, generation: string, data: string, lifeMs: number): Result<number, Context>;
    fencePermissions(key: string, fence: string, fenceMs: number, lifeMs: number): Result<null, Context>;
    clearPermissions(key: string, fence: string): Result<number, Context>;
  }
}

type Entry =
  ['fenced'] | [generation: string, data: string] | [generation: string, data: string, leftMs: number];

/** What a process remembers of an entry, until then by `performance.now()`. */
interface Remembered {
  data: string;
  until: number;
}

const LIFE_MS = 300_000;
const READ_SHA = createHash('sha1').update(readScript).digest('hex');
/** Many users hold the same, and share one text in memory. */
const MOST_TEXTS = 1_000;
/** For how long a change whose connection went away waits for the next. */
const RECONNECTS_MS = 700;
/** More than any transaction of ours has. */
const STATEMENTS = 100;
/** What a transaction may be idle for, and what it asks of Redis. */
const BESIDES_MS = 10_000;

/**
 * What users hold, in Redis, for all instances. An entry never outlives a change: whoever changes what a user holds
 * first puts up a fence, behind which nothing is read or filled, and takes it down after the commit. Should that
 * last step fail, the fence falls by itself, long after the commit; what is read then is the new state. A reader that
 * was under way fills nothing, because the generation has changed. Nothing is believed that an earlier Redis process has
 * written. Losing all of it costs a query. A process keeps what it has read as long as nobody changes it.
 */
@Injectable()
export class PermissionCache implements OnModuleInit {
  /** Longer than any transaction of ours can last, the wait for a connection included. */
  private readonly fenceMs: number;
  private readonly texts = new LRUCache<string, string>({ max: MOST_TEXTS });

  constructor(
    private readonly redis: Redis,
    private readonly relay: Relay,
    private readonly near: NearCache,
    @Inject(CONFIG) config: Config,
  ) {
    this.fenceMs =
      config.DATABASE_POOL_TIMEOUT * 1000 + STATEMENTS * config.DATABASE_QUERY_TIMEOUT_MS + BESIDES_MS;
    redis.defineCommand('readPermissions', { numberOfKeys: 1, lua: readScript });
    redis.defineCommand('fillPermissions', { numberOfKeys: 1, lua: fillScript });
    redis.defineCommand('fencePermissions', { numberOfKeys: 1, lua: fenceScript });
    redis.defineCommand('clearPermissions', { numberOfKeys: 1, lua: clearScript });
  }

  /** Once more when the event goes out: after a COMMIT whose answer never came, or a Redis that has lost the clearing. */
  onModuleInit(): void {
    const clear = async ({ subject }: { subject: string }): Promise<void> => {
      const entry = key(subject.slice('user:'.length));
      await this.redis.clearPermissions(entry, '');
      await this.near.changed(entry);
    };
    this.relay.onEvent('permission.granted', clear);
    this.relay.onEvent('permission.revoked', clear);
    this.relay.onEvent('role.assigned', clear);
    this.relay.onEvent('role.removed', clear);
    this.relay.onEvent('user.suspended', clear);
    this.relay.onEvent('user.reactivated', clear);
    this.relay.onEvent('user.deleted', clear);
  }

  /**
   * The entry of a user, else what `load` reads, which then becomes the entry; null, for nobody, leaves nothing behind,
   * or made-up ids would fill Redis. While Redis is away everything is loaded, and nothing kept.
   */
  async get(
    userId: string,
    load: () => Promise<string | null>,
  ): Promise<{ data: string | null; cached: boolean }> {
    const remembered = this.near.find<Remembered>(key(userId), '');
    if (remembered && remembered.until > performance.now()) {
      cacheLookups.inc({ result: 'hit' });
      return { data: remembered.data, cached: true };
    }
    let generation: string | null = null;
    try {
      const [first, data] = await this.read(key(userId));
      if (data) {
        cacheLookups.inc({ result: 'hit' });
        return { data, cached: true };
      }
      if (data !== undefined) generation = first;
      cacheLookups.inc({ result: data === undefined ? 'fenced' : 'miss' });
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      cacheLookups.inc({ result: 'unavailable' });
    }
    const data = await load();
    // Should this fail, the next reader fills it.
    if (generation !== null)
      await this.redis.fillPermissions(key(userId), generation, data ?? '', LIFE_MS).catch(() => {});
    return { data, cached: false };
  }

  /**
   * Runs a transaction that changes what a user holds. The change is in force everywhere when this returns: processes
   * drop what they remember with the fence, and remember nothing new behind it.
   * Redis away: nothing happens, and the caller hears 503.
   */
  async whileChanging<T>(userId: string, change: () => Promise<T>): Promise<T> {
    const fence = newId();
    await this.redis.fencePermissions(key(userId), fence, this.fenceMs, LIFE_MS + this.fenceMs);
    const dropped = this.near.changed(key(userId));
    try {
      const result = await change();
      await this.takeDown(userId, fence);
      return result;
    } catch (error) {
      // A COMMIT that was not answered in time may still be carried out: then the fence stays, and the relay clears.
      if (!isUnavailable(error)) await this.takeDown(userId, fence);
      throw error;
    } finally {
      await dropped;
    }
  }

  private async read(entry: string): Promise<Entry> {
    const [generation, asked] = [newId(), performance.now()];
    return this.near.ask<Entry, Remembered>(
      entry,
      '',
      {
        // By its hash: where Redis has forgotten the script, it would be sent again behind the pipeline, and not be followed.
        tracked: (pipeline) => pipeline.evalsha(READ_SHA, 1, entry, generation, LIFE_MS),
        plain: () => this.redis.readPermissions(entry, generation, LIFE_MS),
      },
      ([, data, leftMs = 0]) => (data ? { data: this.shared(data), until: asked + leftMs } : undefined),
    );
  }

  private shared(data: string): string {
    const known = this.texts.get(data);
    if (known === undefined) this.texts.set(data, data);
    return known ?? data;
  }

  /**
   * Should this fail, the fence stays up for a while: slower, never wrong. It is tried again as long as a new connection
   * takes, for a Redis that took over may lack the fence, and hold what was filled without it.
   */
  private async takeDown(userId: string, fence: string): Promise<void> {
    const until = performance.now() + RECONNECTS_MS;
    const clear = async (): Promise<number> => {
      try {
        return await this.redis.clearPermissions(key(userId), fence);
      } catch {
        if (performance.now() > until) return 1;
        await sleep(50);
        return clear();
      }
    };
    // Redis was emptied meanwhile, or is another: what held before may have been read, and remembered, since.
    if (!(await clear())) await this.near.changed(key(userId));
  }
}

/** The hash tag keeps a user's keys on one node of a cluster. */
const key = (userId: string): string => `authz:{${userId}}`;
