import { Logger } from '@nestjs/common';
import { Effects } from './effects';
import { eventsPublished } from './event-metrics';
import { EventStream } from './event-stream';
import { Outbox, PendingEvent } from './outbox';
import { RelayLease } from './relay-lease';

const BATCH = 500;
const REAPPLIED_MINUTES = 10;
const HOUR_MS = 3_600_000;

/** One process' time as the publisher. */
export class RelayTerm {
  private readonly logger = new Logger('EventRelay');
  private readonly outbox: Outbox;
  private preparedFor = 0;
  private partitionsDueAt = 0;

  constructor(
    private readonly lease: RelayLease,
    private readonly stream: EventStream,
    private readonly effects: Effects,
  ) {
    this.outbox = new Outbox(lease);
  }

  /**
   * Publishes one batch. After an error it may be called again: what was not published is still in the outbox, and what
   * was published without being forgotten is published again under the same ids.
   * @returns whether more is likely to wait.
   * @throws LeaseLost or Superseded when this term is over; anything else (Redis, an effect) is worth another try.
   */
  async step(): Promise<boolean> {
    await this.lease.touch();
    await this.ensurePartitions();
    await this.prepareConnection();
    const batch = await this.outbox.next(BATCH);
    const { applied, failure } = await this.applyEffects(batch);
    if (applied.length > 0) {
      await this.stream.append(applied);
      for (const { type } of applied) eventsPublished.inc({ event_type: type });
      await this.outbox.remove(applied);
    }
    if (failure) throw failure;
    return batch.length === BATCH;
  }

  /** Events before the first whose effect fails: nobody hears of an event that is not in effect. */
  private async applyEffects(batch: PendingEvent[]): Promise<{ applied: PendingEvent[]; failure?: Error }> {
    for (const [index, event] of batch.entries()) {
      if (!this.effects.has(event)) continue;
      try {
        await this.effects.apply(event);
      } catch (failure) {
        return { applied: batch.slice(0, index), failure: failure as Error };
      }
      await this.lease.touch();
    }
    return { applied: batch };
  }

  /**
   * Before the first batch on each Redis connection: shuts out the publisher before, and repeats recent effects,
   * because a Redis that restarted or failed over may have lost its last second of them.
   */
  private async prepareConnection(): Promise<void> {
    const connection = this.stream.connections;
    if (connection > 0 && connection === this.preparedFor) return;
    await this.stream.append([]);
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
