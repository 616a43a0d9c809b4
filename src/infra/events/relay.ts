import { Inject, Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, Config } from '../../config/config';
import { BACKGROUND } from '../background';
import { withDeadline } from '../deadline';
import { Effect, Effects } from './effects';
import { relayLeader } from './event-metrics';
import { EventType } from './event-types';
import { Nap } from './nap';
import { LeaseLost, RelayLease } from './relay-lease';
import { RelayRedis } from './relay-redis';
import { RelayTerm } from './relay-term';
import { Superseded } from './superseded';
import { newTarget } from './targets/new-target';

export const POLL_MS = 150;
const FOLLOW_MS = 500;
const RETRY_MS = 1_000;
/** A publisher that gets nowhere for so long makes room: perhaps another process reaches the target. */
const GIVE_UP_MS = 10_000;
const STOP_MS = 2_000;

/**
 * Gives committed events their links in the hash chain, and publishes them to the target, a Redis Stream or a Kafka
 * topic: at least once, in commit order per subject. Of all processes one does, the others wait for its end. Linking
 * waits neither for the target nor for effects.
 */
@Injectable()
export class Relay implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('EventRelay');
  private readonly effects = new Effects();
  private running: Promise<void> = Promise.resolve();
  private stopping = false;
  private lease?: RelayLease;
  private state = '';
  /** Of linking, or of whoever waits to become the publisher; and of publishing, which new links end. */
  private readonly nap = new Nap();
  private readonly publishersNap = new Nap();

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(BACKGROUND) private readonly background: boolean,
  ) {}

  /**
   * Has something done for every event of a type before it is published, until it succeeds, and again after every
   * connection to Redis for those of the last ten minutes. Call it while the modules initialise.
   */
  onEvent<T extends EventType>(type: T, effect: Effect<T>): void {
    this.effects.on(type, effect);
  }

  onApplicationBootstrap(): void {
    if (this.background) this.running = this.run();
  }

  /** Finishes the batch in hand, for at most two seconds, and hands the lease back. */
  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.nap.wake();
    this.publishersNap.wake();
    await withDeadline(this.running, STOP_MS, 'the event relay').catch(() => this.lease?.destroy());
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.compete();
      } catch (error) {
        if (error instanceof LeaseLost) this.report('waiting', `waiting for PostgreSQL: ${error.message}`);
        if (error instanceof Superseded) this.report('superseded', error.message);
      }
      await this.rest(RETRY_MS);
    }
  }

  /** Waits to become the publisher, and is it until something ends it. */
  private async compete(): Promise<void> {
    this.lease = await RelayLease.open(this.config);
    try {
      while (!this.stopping) {
        const term = await this.lease.acquire();
        if (term !== null) return await this.lead(this.lease, term);
        this.report('following', 'another process publishes events');
        await this.rest(FOLLOW_MS);
      }
    } finally {
      await this.lease.close();
    }
  }

  private async lead(lease: RelayLease, number: number): Promise<void> {
    const redis = new RelayRedis(this.config);
    const target = newTarget(this.config, redis, number);
    const term = new RelayTerm(lease, target, redis, this.effects, number);
    // What ends one of the two ends the term, and with it the other.
    const over = { is: false };
    const ending = (loop: Promise<void>): Promise<void> =>
      loop.finally(() => {
        over.is = true;
        this.nap.wake();
        this.publishersNap.wake();
      });
    relayLeader.set(1);
    const linking = ending(this.keepLinking(term, over));
    const publishing = ending(this.keepPublishing(term, redis, number, over));
    try {
      await Promise.all([linking, publishing]);
    } finally {
      relayLeader.set(0);
      target.close();
      redis.close();
      if (!this.stopping) lease.destroy();
      await Promise.allSettled([linking, publishing]);
    }
  }

  private async keepLinking(term: RelayTerm, over: { is: boolean }): Promise<void> {
    while (!this.stopping && !over.is) {
      const { linked, more } = await term.link();
      if (linked > 0 && this.state !== 'stalled') this.publishersNap.wake();
      if (!more) await this.nap.sleep(POLL_MS);
    }
  }

  private async keepPublishing(
    term: RelayTerm,
    redis: RelayRedis,
    number: number,
    over: { is: boolean },
  ): Promise<void> {
    let failures = 0;
    let goodAt = performance.now();
    await redis.open();
    while (!this.stopping && !over.is) {
      try {
        const more = await term.publish();
        this.report('leading', `publishing events, term ${number}`);
        failures = 0;
        goodAt = performance.now();
        if (!more) await this.publishersNap.sleep(POLL_MS);
      } catch (error) {
        if (error instanceof LeaseLost || error instanceof Superseded) throw error;
        if (over.is) return;
        this.report('stalled', `events wait: ${(error as Error).message}`);
        if (performance.now() - goodAt > GIVE_UP_MS) throw error;
        await this.publishersNap.sleep(Math.min(1_000, 50 * 2 ** failures++));
      }
    }
  }

  /** Logs changes of state only: an outage of an hour is two lines. */
  private report(state: string, message: string): void {
    if (state === this.state) return;
    this.state = state;
    if (state === 'leading' || state === 'following') this.logger.log(message);
    else this.logger.warn(message);
  }

  private async rest(milliseconds: number): Promise<void> {
    if (!this.stopping) await this.nap.sleep(milliseconds);
  }
}
