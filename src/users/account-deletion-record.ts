import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { AccountMails } from '../identities/account-mails.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { RemoveSecondFactor } from '../mfa/remove-second-factor.service';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { Unlinked } from '../trading-accounts/links/unlink-accounts.service';
import { accountDeletedMail } from './account-deleted.mail';
import { AccountHoldings } from './account-holdings';

const GONE_AT_ONCE = [
  // So that the same account at the provider can open a new one here.
  'auth_providers',
  'known_devices',
  // What the account could do is told by the events. Whoever lists a role meets the living alone.
  'user_roles',
  'user_permissions',
];

/** What a deletion leaves in PostgreSQL: the row, without anything that would open it or that it could do. */
@Injectable()
export class AccountDeletionRecord {
  constructor(
    private readonly clock: Clock,
    private readonly tokens: OneTimeTokens,
    private readonly secondFactor: RemoveSecondFactor,
    private readonly holdings: AccountHoldings,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /**
   * In a transaction that has locked the account's row.
   * @returns the trading accounts that were unlinked; null where the account is gone already.
   */
  async write(
    tx: EntityManager,
    caller: Caller,
    userId: string,
    sessionsRevoked: number,
  ): Promise<Unlinked[] | null> {
    const now = this.clock.date();
    const { affected } = await tx.update(
      User,
      { id: userId, deletedAt: IsNull() },
      { status: 'deleted', deletedAt: now, updatedAt: now, passwordHash: null, passwordChangedAt: null },
    );
    if (affected !== 1) return null;
    const { unlinked, apiKeysRevoked } = await this.holdings.giveUp(tx, caller, userId);
    await this.tokens.discard(tx, userId, 'email_verification');
    await this.tokens.discard(tx, userId, 'password_reset');
    await this.secondFactor.forget(tx, caller, userId, 'account_deleted');
    for (const table of GONE_AT_ONCE) await tx.query(`DELETE FROM ${table} WHERE user_id = $1`, [userId]);
    await this.events.record(tx, caller, {
      type: 'user.deleted',
      subject: `user:${userId}`,
      data: {
        sessions_revoked: sessionsRevoked,
        api_keys_revoked: apiKeysRevoked,
        trading_accounts_unlinked: unlinked.length,
      },
    });
    await this.mails.enqueue(tx, accountDeletedMail, { user_id: userId }, {});
    return unlinked;
  }
}
