import { Injectable } from '@nestjs/common';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { User } from '../identities/user.entity';
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
      { userId, reason: 'password_reset', which: 'all' },
      async (tx, ended) => {
        if (!(await this.tokens.consume(tx, 'password_reset', tokenId))) throw invalidResetToken();
        await this.tokens.discard(tx, userId, 'password_reset');
        const now = this.clock.date();
        await tx.update(User, { id: userId }, { passwordHash, passwordChangedAt: now, updatedAt: now });
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
