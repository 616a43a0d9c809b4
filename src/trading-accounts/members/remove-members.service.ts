import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { AccountMails } from '../../identities/account-mails.service';
import { EventData } from '../../infra/events/event-types';
import { Events } from '../../infra/events/events';
import { memberRemovedMail } from './member-removed.mail';

export type RemovalReason = EventData['trading_account.member_removed']['reason'];

interface Removed {
  id: string;
  userId: string;
  accountId: string;
  ownerId: string;
  nickname: string | null;
  broker: string;
  /** Whether it was named itself, rather than given under one that was. */
  named: boolean;
  /** Whether it gave access until now. */
  lived: boolean;
}

type Naming = 'id' | 'user_id' | 'trading_account_id';

/**
 * Those named by $1, and all that was given under them, to any depth. The order is the same for everybody, because each
 * event takes the lock of its subject, the owner.
 */
const removal = (naming: Naming): string => `
  WITH RECURSIVE gone (id, named) AS (
    SELECT id, true FROM trading_account_members WHERE ${naming} = $1
    UNION
    SELECT member.id, false FROM trading_account_members member JOIN gone ON member.granted_under = gone.id
  ), removed AS (
    DELETE FROM trading_account_members WHERE id IN (SELECT id FROM gone)
    RETURNING id, user_id, trading_account_id, expires_at
  )
  SELECT removed.id, removed.user_id AS "userId", account.id AS "accountId", account.user_id AS "ownerId",
         account.nickname, account.broker, removed.expires_at IS NULL OR removed.expires_at > $2 AS lived,
         EXISTS (SELECT FROM gone WHERE gone.id = removed.id AND named) AS named
  FROM removed JOIN trading_accounts account ON account.id = removed.trading_account_id
  ORDER BY account.user_id, account.id, removed.id`;

/**
 * Ends memberships, and with each one those given under it: one event each, and a mail to whoever did not end it
 * themselves. Judges nobody: see `RemoveMember` for what people may do. In force with the commit, on every instance: no
 * process remembers a membership. Of one that had expired nobody is told any more.
 */
@Injectable()
export class RemoveMembers {
  constructor(
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /** Every one of an account, whose row is locked. */
  async ofAccount(
    tx: EntityManager,
    caller: Caller,
    accountId: string,
    reason: RemovalReason,
  ): Promise<void> {
    await this.remove(tx, caller, ['trading_account_id', accountId], reason);
  }

  /**
   * Every one of a user, whose row is locked, in accounts of others. It locks those accounts and the user's own, all in
   * one order: of two people who delete themselves and share with each other, one waits for the other.
   */
  async ofUser(tx: EntityManager, caller: Caller, userId: string, reason: RemovalReason): Promise<void> {
    await tx.query(
      `SELECT FROM trading_accounts
       WHERE id IN (SELECT id FROM trading_accounts WHERE user_id = $1
                    UNION ALL
                    SELECT trading_account_id FROM trading_account_members WHERE user_id = $1)
       ORDER BY id FOR UPDATE`,
      [userId],
    );
    await this.remove(tx, caller, ['user_id', userId], reason);
  }

  /** A single one, of an account whose row is locked. */
  async one(tx: EntityManager, caller: Caller, membershipId: string, reason: RemovalReason): Promise<void> {
    await this.remove(tx, caller, ['id', membershipId], reason);
  }

  private async remove(
    tx: EntityManager,
    caller: Caller,
    [naming, value]: [naming: Naming, value: string],
    reason: RemovalReason,
  ): Promise<void> {
    const all = await tx.query<Removed[]>(removal(naming), [value, this.clock.date()]);
    for (const member of all.filter(({ lived }) => lived))
      await this.tell(tx, caller, member, member.named ? reason : 'inviter_removed');
  }

  private async tell(
    tx: EntityManager,
    caller: Caller,
    { id, userId, accountId, ownerId, nickname, broker }: Removed,
    reason: RemovalReason,
  ): Promise<void> {
    await this.events.record(tx, caller, {
      type: 'trading_account.member_removed',
      subject: `user:${ownerId}`,
      resource: `trading_account:${accountId}`,
      data: { membership_id: id, user_id: userId, reason },
    });
    if (userId === caller.userId || reason === 'left') return;
    await this.mails.enqueue(tx, memberRemovedMail, { user_id: userId }, { nickname, broker });
  }
}
