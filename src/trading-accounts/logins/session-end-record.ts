import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { AccountMails } from '../../identities/account-mails.service';
import { EventData } from '../../infra/events/event-types';
import { Events } from '../../infra/events/events';
import { sessionExpiredMail } from './session-expired.mail';

export type SessionEndReason = EventData['trading_account.session_expired']['reason'];

interface Ended {
  userId: string;
  broker: string;
  nickname: string | null;
  mail: boolean;
}

/** What the end of a broker's session leaves: the status, one event, and a mail to owners who want one. */
@Injectable()
export class SessionEndRecord {
  constructor(
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /**
   * In a transaction that has locked the account's row, and knows that this session is in force still.
   * @returns false where the account is not active: then its owner knows.
   */
  async write(
    tx: EntityManager,
    caller: Caller,
    accountId: string,
    { reason, status }: { reason: SessionEndReason; status: 'session_expired' | 'invalid' },
  ): Promise<boolean> {
    const [rows] = await tx.query<[Ended[], number]>(
      `UPDATE trading_accounts SET status = $3, updated_at = $2 WHERE id = $1 AND status = 'active'
       RETURNING user_id AS "userId", broker, nickname,
         preferences @> '{"session_expired_mail": true}' AS mail`,
      [accountId, this.clock.date(), status],
    );
    const ended = rows[0];
    if (!ended) return false;
    await this.events.record(tx, caller, {
      type: 'trading_account.session_expired',
      subject: `user:${ended.userId}`,
      resource: `trading_account:${accountId}`,
      data: { reason },
    });
    // Whoever has just logged in elsewhere need not be told to.
    if (ended.mail && reason !== 'replaced')
      await this.mails.enqueue(
        tx,
        sessionExpiredMail,
        { user_id: ended.userId },
        { nickname: ended.nickname, broker: ended.broker },
      );
    return true;
  }
}
