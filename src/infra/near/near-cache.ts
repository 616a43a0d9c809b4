import { BeforeApplicationShutdown, Inject, Injectable, Logger, OnApplicationShutdown } from '@nestjs/common';
import { ChainableCommander, Redis } from 'ioredis';
import { CONFIG, Config } from '../../config/config';
import { askPrimary, NO_KEY, requirePrimary } from '../redis/ask-primary';
import { NearBarrier } from './near-barrier';
import { NearEntries } from './near-entries';
import { NearLease } from './near-lease';
import { APART, NearLink } from './near-link';
import { nearLookups } from './near-metrics';
import { NearNames } from './near-names';

/** What lasts until somebody mends it. */
const TROUBLE = new RegExp(`^(NOPERM|ERR unknown|${APART})`, 'i');

/** One command that reads one key: as the next of a pipeline, and by itself. */
interface Question<A> {
  tracked: (pipeline: ChainableCommander) => unknown;
  plain: () => Promise<A>;
}

/**
 * What this process has read from Redis and has not changed since. It is used only while it is certain that every
 * change has been heard of, and whoever changes something waits until all processes have. Losing all of it costs a
 * question to Redis. On a cluster nothing is kept.
 */
@Injectable()
export class NearCache implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly entries = new NearEntries();
  private readonly lease = new NearLease(() => this.prove());
  private readonly link: NearLink;
  private readonly barrier: NearBarrier;
  private readonly logger = new Logger('NearCache');
  private wasTold = false;
  private isOff: boolean;

  constructor(
    private readonly redis: Redis,
    @Inject(CONFIG) config: Config,
  ) {
    const names = new NearNames(redis.options.db ?? 0);
    this.isOff = redis.isCluster;
    this.link = new NearLink(redis, config, [names.all, names.own], {
      changed: (keys) => {
        if (keys) keys.forEach((key) => this.entries.drop(key));
        else this.entries.clear();
      },
      message: (channel, text) => this.barrier.hear(channel, text),
      lost: () => {
        this.lease.end();
        this.entries.clear();
      },
    });
    this.barrier = new NearBarrier(redis, this.link, names);
  }

  /** What was kept of a key; undefined where Redis has to be asked. */
  find<V>(key: string, part: string): V | undefined {
    if (this.isOff) return undefined;
    if (!this.lease.isHeld()) {
      nearLookups.inc({ result: 'lapsed' });
      return undefined;
    }
    const value = this.entries.find(key, part) as V | undefined;
    nearLookups.inc({ result: value === undefined ? 'miss' : 'hit' });
    return value;
  }

  /**
   * Asks Redis, in the same round trip also whether it is still the primary, and keeps what `toKeep` makes of the answer,
   * undefined for nothing. It is not kept where the key changed while the answer was on its way, or where Redis would not
   * tell of the next change.
   * @throws where Redis is away, or was demoted: what it has may be of before a revocation.
   */
  async ask<A, V>(
    key: string,
    part: string,
    { tracked, plain }: Question<A>,
    toKeep: (answer: A) => V | undefined,
  ): Promise<A> {
    if (!this.link.isArmed || this.isOff) return this.askPlainly(plain);
    const reading = this.entries.begin(key);
    try {
      const pipeline = this.redis.pipeline().client('CACHING', 'YES');
      tracked(pipeline);
      pipeline.del(NO_KEY);
      const [caching, asked, proof] = (await pipeline.exec()) ?? [];
      const [error, answer] = asked as [Error | null, A];
      if (proof?.[0]) await requirePrimary(this.redis, proof[0]);
      if (error?.message.startsWith('NOSCRIPT')) return await this.askPlainly(plain);
      if (error) throw error;
      const value = toKeep(answer);
      if (!caching?.[0] && value !== undefined) this.entries.keep(reading, part, value);
      return answer;
    } finally {
      this.entries.end(reading);
    }
  }

  /**
   * Call it when Redis has answered a command that takes something away. Resolves when no process will act on how it was:
   * at once as a rule, after 450 ms where one is silent or Redis is away. Never fails.
   */
  async changed(key: string): Promise<void> {
    this.entries.drop(key);
    if (!this.redis.isCluster) await this.barrier.passed();
  }

  /** From here on everything is read, so that nobody waits for this process. */
  async beforeApplicationShutdown(): Promise<void> {
    if (this.isOff) return;
    this.isOff = true;
    this.lease.end();
    this.entries.clear();
    await this.barrier.unregister().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.link.close();
  }

  private async askPlainly<A>(plain: () => Promise<A>): Promise<A> {
    // On a cluster a replica leads to its primary.
    if (this.redis.isCluster) return plain();
    const [answer] = await Promise.all([plain(), askPrimary(this.redis)]);
    return answer;
  }

  /** In this order: what changes after the registration waits for this process, what changed before it has been heard. */
  private async prove(): Promise<void> {
    try {
      if (!this.link.isArmed) await this.barrier.tryAnswer();
      await this.link.arm();
      await this.barrier.register();
      await this.link.catchUp();
      this.wasTold = false;
    } catch (error) {
      this.tellOnce(error as Error);
      throw error;
    }
  }

  private tellOnce({ message }: Error): void {
    if (this.wasTold || !TROUBLE.test(message)) return;
    this.wasTold = true;
    this.logger.warn(`nothing is kept in memory, every answer is read: ${message}`);
  }
}
