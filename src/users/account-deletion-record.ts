import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { RevokeApiKeys } from '../api-keys/revoke-api-keys.service';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { AccountMails } from '../identities/account-mails.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { RemoveSecondFactor } from '../mfa/remove-second-factor.service';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { accountDeletedMail } from './account-deleted.mail';

/** What a deletion leaves in PostgreSQL: the row, without anything that would open it. */
@Injectable()
export class AccountDeletionRecord {
  constructor(
    private readonly clock: Clock,
    private readonly tokens: OneTimeTokens,
    private readonly secondFactor: RemoveSecondFactor,
    private readonly apiKeys: RevokeApiKeys,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /**
   * In a transaction that has locked the account's row.
   * @returns false where the account is gone already.
   */
  async write(tx: EntityManager, caller: Caller, userId: string, sessionsRevoked: number): Promise<boolean> {
    const now = this.clock.date();
    const { affected } = await tx.update(
      User,
      { id: userId, deletedAt: IsNull() },
      { status: 'deleted', deletedAt: now, updatedAt: now },
    );
    if (affected !== 1) return false;
    await this.tokens.discard(tx, userId, 'email_verification');
    await this.tokens.discard(tx, userId, 'password_reset');
    await this.secondFactor.forget(tx, caller, userId, 'account_deleted');
    // So that the same account at the provider can open a new one here.
    await tx.query(`DELETE FROM auth_providers WHERE user_id = $1`, [userId]);
    const apiKeysRevoked = await this.apiKeys.ofUser(tx, caller, userId);
    await this.events.record(tx, caller, {
      type: 'user.deleted',
      subject: `user:${userId}`,
      data: { sessions_revoked: sessionsRevoked, api_keys_revoked: apiKeysRevoked },
    });
    await this.mails.enqueue(tx, accountDeletedMail, { user_id: userId }, {});
    return true;
  }
}
