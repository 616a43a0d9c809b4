import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { EventData } from '../../infra/events/event-types';
import { Events } from '../../infra/events/events';
import { RemoveMembers } from '../members/remove-members.service';
import { Unlinked } from '../logins/last-sessions.service';
import { CredentialSets } from '../vault/credential-sets';

export type UnlinkReason = EventData['trading_account.unlinked']['reason'];

/** What unlinking leaves in PostgreSQL: a row that nobody finds, for the events that speak of it. */
@Injectable()
export class UnlinkRecord {
  constructor(
    private readonly clock: Clock,
    private readonly sets: CredentialSets,
    private readonly members: RemoveMembers,
    private readonly events: Events,
  ) {}

  /**
   * In a transaction that has locked the owner's row. It waits for no call to the broker that is under way: that one
   * finds its turn gone.
   * @returns null where there is no such account.
   */
  async write(
    tx: EntityManager,
    caller: Caller,
    { accountId, userId, reason }: { accountId: string; userId: string; reason: UnlinkReason },
  ): Promise<Unlinked | null> {
    const [account] = await tx.query<{ broker: string }[]>(
      `SELECT broker FROM trading_accounts WHERE id = $1 AND user_id = $2 AND status <> 'unlinked' FOR UPDATE`,
      [accountId, userId],
    );
    if (!account) return null;
    const last = await this.sets.find(accountId, 'current', tx);
    await this.members.ofAccount(tx, caller, accountId, reason);
    await this.sets.destroy(tx, accountId);
    await tx.query(
      `UPDATE trading_accounts
       SET status = 'unlinked', unlinked_at = $2, updated_at = $2, api_key_hash = NULL, turn_id = NULL,
         turn_ends_at = NULL, idempotency_key_hash = NULL, idempotent_request_hash = NULL
       WHERE id = $1`,
      [accountId, this.clock.date()],
    );
    await this.events.record(tx, caller, {
      type: 'trading_account.unlinked',
      subject: `user:${userId}`,
      resource: `trading_account:${accountId}`,
      data: { broker: account.broker, reason },
    });
    return { accountId, broker: account.broker, last };
  }
}
