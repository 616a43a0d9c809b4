import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { AccountMails } from '../identities/account-mails.service';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { passwordChangedMail } from './password-changed.mail';
import { invalidResetToken } from './passwords.errors';

/** Token, password, events and the end of all sessions: one transaction. */
@Injectable()
export class PasswordResetRecord {
  constructor(
    private readonly clock: Clock,
    private readonly tokens: OneTimeTokens,
    private readonly endSessions: EndSessions,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /** @throws invalid_reset_token also where the account was closed or deleted since the link was looked at. */
  async write(caller: Caller, tokenId: string, userId: string, passwordHash: string): Promise<void> {
    await this.endSessions.run(
      caller,
      { userId, reason: 'password_reset', ends: () => true, underWay: true },
      async (tx, ended) => {
        if (!(await this.tokens.consume(tx, 'password_reset', tokenId))) throw invalidResetToken();
        await this.tokens.discard(tx, userId, 'password_reset');
        const { isFirstProof } = await setPassword(tx, userId, passwordHash, this.clock.date());
        const subject = `user:${userId}`;
        await this.events.record(tx, caller, {
          type: 'password.reset_completed',
          subject,
          actor: subject,
          data: { sessions_revoked: ended.length },
        });
        if (isFirstProof)
          await this.events.record(tx, caller, {
            type: 'user.email_verified',
            subject,
            actor: subject,
            data: {},
          });
        await this.mails.enqueue(tx, passwordChangedMail, { user_id: userId }, {});
      },
    );
  }
}

/**
 * The link came by mail, so it proves the address too. A second factor stays all the same: who has the mailbox has one
 * factor (contract, "Password reset").
 */
async function setPassword(
  tx: EntityManager,
  userId: string,
  hash: string,
  now: Date,
): Promise<{ isFirstProof: boolean }> {
  const [rows] = await tx.query<[{ isFirstProof: boolean }[], number]>(
    `UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3,
       email_verified_at = coalesce(users.email_verified_at, $3),
       status = CASE users.status WHEN 'pending_verification' THEN 'active' ELSE users.status END
     FROM (SELECT id, email_verified_at FROM users WHERE id = $1) AS before
     WHERE users.id = before.id AND users.deleted_at IS NULL AND users.status IN ('active', 'pending_verification')
     RETURNING before.email_verified_at IS NULL AS "isFirstProof"`,
    [userId, hash, now],
  );
  if (!rows[0]) throw invalidResetToken();
  return rows[0];
}
