import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { AccountClaims } from '../identities/account-claims.service';
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
    private readonly claims: AccountClaims,
  ) {}

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
        if (isFirstProof) await this.claims.run(tx, caller, userId);
        await this.mails.enqueue(tx, passwordChangedMail, { user_id: userId }, {});
      },
    );
  }
}

/** The link came by mail, so it proves the address too: that is how an owner takes back an account of a stranger's. */
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
     WHERE users.id = before.id
     RETURNING before.email_verified_at IS NULL AS "isFirstProof"`,
    [userId, hash, now],
  );
  return rows[0] ?? { isFirstProof: false };
}
