import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller } from '../../common/caller';
import { Clock } from '../../common/clock';
import { newId } from '../../common/ids';
import { AccountMails } from '../../identities/account-mails.service';
import { Events } from '../../infra/events/events';
import { memberAddedMail } from './member-added.mail';
import { Member } from './member-item';
import { AccessibleAccount, AccountPermission } from '../trading-account';

interface NewMember {
  userId: string;
  name: string;
  email: string;
  permissions: AccountPermission[];
  /** The membership of whoever gives it; null: the owner does. */
  grantedUnder: string | null;
  expiresAt: Date | null;
}

/** What a new membership leaves in PostgreSQL: its row, its event, and the mail to whoever has it now. */
@Injectable()
export class MemberRecord {
  constructor(
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /** In a transaction that has locked the account's row. */
  async write(
    tx: EntityManager,
    caller: AuthenticatedCaller,
    account: AccessibleAccount,
    { grantedUnder, ...given }: NewMember,
  ): Promise<Member> {
    const member: Member = {
      id: newId(),
      ...given,
      grantedBy: `user:${caller.userId}`,
      createdAt: this.clock.date(),
    };
    const { id, userId, permissions, grantedBy, createdAt, expiresAt } = member;
    const end = expiresAt?.toISOString() ?? null;
    const inserted = await tx.query<{ inviter: string }[]>(
      `INSERT INTO trading_account_members
         (id, trading_account_id, user_id, permissions, granted_under, granted_by, created_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       RETURNING (SELECT name FROM users WHERE id = $9) AS inviter`,
      [id, account.id, userId, permissions, grantedUnder, grantedBy, createdAt, expiresAt, caller.userId],
    );
    await this.events.record(tx, caller, {
      type: 'trading_account.member_added',
      subject: `user:${account.userId}`,
      resource: `trading_account:${account.id}`,
      data: { membership_id: id, user_id: userId, permissions, expires_at: end },
    });
    const { nickname, broker } = account;
    const inviter = inserted[0]?.inviter ?? '';
    await this.mails.enqueue(
      tx,
      memberAddedMail,
      { user_id: userId },
      { inviter, inviter_id: caller.userId, nickname, broker, permissions, expires_at: end },
    );
    return member;
  }
}
