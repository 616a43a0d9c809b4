import { Inject, Injectable, Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { systemCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { EventData } from '../events/event-types';
import { Events, NewEvent } from '../events/events';
import { KMS, Kms } from './kms';

const HOUR_MS = 3_600_000;

/** What is kept under the master key in which table. */
const KINDS: Record<string, EventData['secret.integrity_failed']['kind']> = {
  signing_keys: 'signing_key',
  totp_factors: 'totp',
  trading_accounts: 'data_key',
  audit_exports: 'audit_export',
  webhooks: 'webhook_secret',
};

/** What everybody has to hear of the master key and of what is under it, whoever finds it, and not again and again. */
@Injectable()
export class KmsEvents {
  private readonly logger = new Logger('Kms');

  constructor(
    @Inject(KMS) private readonly kms: Kms,
    private readonly db: EntityManager,
    private readonly events: Events,
    private readonly clock: Clock,
  ) {}

  /** Records that this version wraps now, once for all time: of a rotation that was killed the next who sees it tells. */
  async rotated(version: string): Promise<void> {
    await this.recordUnlessTold(new Date(0), {
      type: 'master_key.rotated',
      subject: `master_key:${version}`,
      data: { provider: this.kms.provider, version },
    });
  }

  /** Records that what a row holds is not what was wrapped for it, once an hour. @param id of the row */
  async damaged(table: string, id: string): Promise<void> {
    const kind = KINDS[table];
    if (!kind) throw new Error(`nobody has said what is under the master key in ${table}`);
    const isNews = await this.recordUnlessTold(new Date(this.clock.now() - HOUR_MS), {
      type: 'secret.integrity_failed',
      subject: `${table}:${id}`,
      data: { kind },
    });
    if (isNews) this.logger.error(`${table} ${id} holds another secret than was wrapped for it`);
  }

  /** @returns whether it was not there since then. */
  private async recordUnlessTold(since: Date, event: NewEvent): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      // As `Events.record` does: of those who find it at once, one looks after the other.
      await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [event.subject]);
      const told = await tx.query<unknown[]>(
        `SELECT FROM events WHERE subject = $1 AND event_type = $2 AND "timestamp" > $3 LIMIT 1`,
        [event.subject, event.type, since],
      );
      if (told.length > 0) return false;
      await this.events.record(tx, systemCaller(newId()), event);
      return true;
    });
  }
}
