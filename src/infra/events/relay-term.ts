import { Logger } from '@nestjs/common';
import { Effects } from './effects';
import { EventChain } from './event-chain';
import { eventsPublished } from './event-metrics';
import { Batch, Outbox } from './outbox';
import { LinkedEvent, RecordedEvent } from './recorded-event';
import { RelayLease } from './relay-lease';
import { RelayRedis } from './relay-redis';
import { RelayTarget } from './targets/relay-target';

const BATCH = 500;
const SIDE_BY_SIDE = 50;
const REAPPLIED_MINUTES = 10;
const HOUR_MS = 3_600_000;

/** One process' time as the publisher. Linking and publishing may run side by side. */
export class RelayTerm {
  private readonly logger = new Logger('EventRelay');
  private readonly chain: EventChain;
  private readonly outbox: Outbox;
  private claimed = 0;
  private repeatedFor = 0;
  private partitionsDueAt = 0;

  constructor(
    private readonly lease: RelayLease,
    private readonly target: RelayTarget,
    private readonly redis: RelayRedis,
    private readonly effects: Effects,
    term: number,
  ) {
    this.chain = new EventChain(lease, term);
    this.outbox = new Outbox(lease, term);
  }

  /**
   * Links one batch.
   * @returns how many, and whether more are likely to wait. @throws LeaseLost or Superseded when this term is over.
   */
  async link(): Promise<{ linked: number; more: boolean }> {
    await this.ensurePartitions();
    const linked = await this.chain.link(BATCH);
    return { linked, more: linked === BATCH };
  }

  /**
   * Publishes one batch of what has its link. After an error it may be called again: what was not published still lies
   * behind the cursor, and what was published without moving it is published again under the same ids.
   * @returns whether more is likely to wait.
   * @throws LeaseLost or Superseded when this term is over; anything else (the target, Redis, an effect) is worth another try.
   */
  async publish(): Promise<boolean> {
    await this.lease.touch();
    await this.prepareTarget();
    await this.repeatEffects();
    if ((await this.outbox.position()) >= (await this.chain.position())) return false;
    if (this.effects.types().length > 0) await this.redis.touch();
    const batch = await this.outbox.next(BATCH);
    const { applied, end, failure } = await this.applyEffects(batch);
    if (applied.length > 0) {
      await this.target.append(applied);
      for (const { type } of applied) eventsPublished.inc({ event_type: type });
    }
    if (end) await this.outbox.moveTo(end);
    if (failure) throw failure;
    return batch.isFull;
  }

  /**
   * Side by side, for each may have to wait until a process that is silent has forgotten what it remembered.
   * @returns events before the first whose effect fails: nobody hears of an event that is not in effect.
   */
  private async applyEffects({
    events,
    end,
  }: Batch): Promise<{ applied: LinkedEvent[]; end?: Batch['end']; failure?: Error }> {
    for (let start = 0; start < events.length; start += SIDE_BY_SIDE) {
      const page = events.slice(start, start + SIDE_BY_SIDE).filter((event) => this.effects.has(event));
      if (page.length === 0) continue;
      const failures = await Promise.all(page.map((event) => this.failureOf(event)));
      const failed = failures.findIndex((failure) => failure !== undefined);
      if (failed >= 0) {
        const applied = events.slice(0, events.indexOf(page[failed]!));
        return { applied, end: applied.at(-1), failure: failures[failed] };
      }
      await this.lease.touch();
    }
    return { applied: events, end };
  }

  private async failureOf(event: RecordedEvent): Promise<Error | undefined> {
    return this.effects.apply(event).then(
      () => undefined,
      (error: Error) => error,
    );
  }

  /** Before the first batch on each connection: finds out what the target has lost, and shuts out the publisher before. */
  private async prepareTarget(): Promise<void> {
    const { connections } = this.target;
    if (connections > 0 && connections === this.claimed) return;
    // The cursor first: once the stream is claimed, an empty one is not to be told from one that was never written to.
    await this.outbox.goBackTo(await this.target.held());
    await this.target.claim();
    this.claimed = connections;
  }

  /**
   * Repeats recent effects on each new connection to Redis, whatever the target is, because a Redis that restarted or
   * failed over may have lost its last second of them. All are tried, also where one fails: in a cluster it may be on
   * another node than those that were lost.
   */
  private async repeatEffects(): Promise<void> {
    if (this.effects.types().length === 0) return;
    const { connections } = this.redis;
    if (connections > 0 && connections === this.repeatedFor) return;
    let failure: Error | undefined;
    for await (const events of this.outbox.recent(this.effects.types(), REAPPLIED_MINUTES)) {
      const failures = await Promise.all(events.map((event) => this.failureOf(event)));
      failure ??= failures.find((one) => one !== undefined);
      await this.lease.touch();
    }
    if (failure) throw failure;
    this.repeatedFor = connections;
  }

  /** Events are taken without it too, by the default partition; so a failure can wait. */
  private async ensurePartitions(): Promise<void> {
    if (performance.now() < this.partitionsDueAt) return;
    this.partitionsDueAt = performance.now() + 24 * HOUR_MS;
    try {
      await this.outbox.ensurePartitions();
    } catch (error) {
      this.partitionsDueAt = performance.now() + HOUR_MS;
      this.logger.warn(
        `partitions of events could not be made, next try in an hour: ${(error as Error).message}`,
      );
    }
  }
}
