import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { PasswordChangedMail } from './password-changed.mail';
import { invalidResetToken } from './passwords.errors';

/** Token, password, events and the end of all sessions: one transaction. */
@Injectable()
export class PasswordResetRecord {
  constructor(
    private readonly clock: Clock,
    private readonly tokens: OneTimeTokens,
    private readonly endSessions: EndSessions,
    private readonly events: Events,
    private readonly changedMail: PasswordChangedMail,
  ) {}

  async write(caller: Caller, tokenId: string, userId: string, passwordHash: string): Promise<void> {
    await this.endSessions.run(
      caller,
      { userId, reason: 'password_reset', ends: () => true, underWay: true },
      async (tx, ended) => {
        if (!(await this.tokens.consume(tx, 'password_reset', tokenId))) throw invalidResetToken();
        await this.tokens.discard(tx, userId, 'password_reset');
        const now = this.clock.date();
        await setPassword(tx, userId, passwordHash, now);
        const subject = `user:${userId}`;
        await this.events.record(tx, caller, {
          type: 'password.reset_completed',
          subject,
          actor: subject,
          data: { sessions_revoked: ended.length },
        });
        await this.changedMail.enqueue(tx, userId);
      },
    );
  }
}

/** The link came by mail, so it proves the address too: that is how an owner takes back an account of a stranger's. */
async function setPassword(tx: EntityManager, userId: string, hash: string, now: Date): Promise<void> {
  await tx.query(
    `UPDATE users SET password_hash = $2, password_changed_at = $3, updated_at = $3,
       email_verified_at = coalesce(email_verified_at, $3),
       status = CASE status WHEN 'pending_verification' THEN 'active' ELSE status END
     WHERE id = $1`,
    [userId, hash, now],
  );
}
