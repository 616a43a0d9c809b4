import { Logger } from '@nestjs/common';
import { Effects } from './effects';
import { EventChain } from './event-chain';
import { eventsPublished } from './event-metrics';
import { EventStream } from './event-stream';
import { Batch, Outbox } from './outbox';
import { LinkedEvent } from './recorded-event';
import { RelayLease } from './relay-lease';

const BATCH = 500;
const REAPPLIED_MINUTES = 10;
const HOUR_MS = 3_600_000;

/** One process' time as the publisher. Linking and publishing may run side by side. */
export class RelayTerm {
  private readonly logger = new Logger('EventRelay');
  private readonly chain: EventChain;
  private readonly outbox: Outbox;
  private preparedFor = 0;
  private partitionsDueAt = 0;

  constructor(
    private readonly lease: RelayLease,
    private readonly stream: EventStream,
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
   * @throws LeaseLost or Superseded when this term is over; anything else (Redis, an effect) is worth another try.
   */
  async publish(): Promise<boolean> {
    await this.lease.touch();
    await this.prepareConnection();
    if ((await this.outbox.position()) >= (await this.chain.position())) return false;
    const batch = await this.outbox.next(BATCH);
    const { applied, end, failure } = await this.applyEffects(batch);
    if (applied.length > 0) {
      await this.stream.append(applied);
      for (const { type } of applied) eventsPublished.inc({ event_type: type });
    }
    if (end) await this.outbox.moveTo(end);
    if (failure) throw failure;
    return batch.isFull;
  }

  /** Events before the first whose effect fails: nobody hears of an event that is not in effect. */
  private async applyEffects({
    events,
    end,
  }: Batch): Promise<{ applied: LinkedEvent[]; end?: Batch['end']; failure?: Error }> {
    for (const [index, event] of events.entries()) {
      if (!this.effects.has(event)) continue;
      try {
        await this.effects.apply(event);
      } catch (failure) {
        const applied = events.slice(0, index);
        return { applied, end: applied.at(-1), failure: failure as Error };
      }
      await this.lease.touch();
    }
    return { applied: events, end };
  }

  /**
   * Before the first batch on each Redis connection: finds out what Redis has lost, shuts out the publisher before, and
   * repeats recent effects, because a Redis that restarted or failed over may have lost its last second of them.
   */
  private async prepareConnection(): Promise<void> {
    const connection = this.stream.connections;
    if (connection > 0 && connection === this.preparedFor) return;
    // The cursor first: once the stream is claimed, an empty one is not to be told from one that was never written to.
    await this.outbox.goBackTo(await this.stream.held());
    await this.stream.claim();
    if (this.effects.types().length > 0) {
      for await (const event of this.outbox.recent(this.effects.types(), REAPPLIED_MINUTES)) {
        await this.effects.apply(event);
        await this.lease.touch();
      }
    }
    this.preparedFor = connection;
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
