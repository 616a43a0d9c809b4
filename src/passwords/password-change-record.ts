import { Injectable } from '@nestjs/common';
import { EntityManager, FindOptionsWhere, In, IsNull } from 'typeorm';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { notAuthenticated } from '../common/common.errors';
import { AccountMails } from '../identities/account-mails.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { passwordChangedMail } from './password-changed.mail';
import { invalidCurrentPassword } from './passwords.errors';

const OPEN: FindOptionsWhere<User> = { deletedAt: IsNull(), status: In(['active', 'pending_verification']) };

/** What a change of password leaves in PostgreSQL. */
@Injectable()
export class PasswordChangeRecord {
  constructor(
    private readonly clock: Clock,
    private readonly endSessions: EndSessions,
    private readonly events: Events,
    private readonly tokens: OneTimeTokens,
    private readonly mails: AccountMails,
  ) {}

  /** @returns ids of the sessions that were ended. @throws not_authenticated, invalid_current_password, invalid_access_token */
  async write(caller: AuthenticatedCaller, user: User, hash: string, endOthers: boolean): Promise<string[]> {
    return this.endSessions.run(
      caller,
      {
        userId: user.id,
        reason: 'password_changed',
        ends: (session) => endOthers && session.id !== caller.sessionId,
        // Also where the others stay: somebody may be signing in with the old password right now.
        underWay: true,
        by: caller.sessionId,
      },
      (tx, ended) => this.change(tx, caller, user, hash, ended.length),
    );
  }

  private async change(
    tx: EntityManager,
    caller: AuthenticatedCaller,
    user: User,
    passwordHash: string,
    sessionsRevoked: number,
  ): Promise<void> {
    const now = this.clock.date();
    // Of two changes at once, the second one's present password is no longer the present one.
    const { affected } = await tx.update(
      User,
      { id: user.id, passwordHash: user.passwordHash!, ...OPEN },
      { passwordHash, passwordChangedAt: now, updatedAt: now },
    );
    if (affected !== 1) {
      // Or the account was closed or deleted since the call began.
      throw (await tx.existsBy(User, { id: user.id, ...OPEN }))
        ? invalidCurrentPassword()
        : notAuthenticated();
    }
    await this.tokens.discard(tx, user.id, 'password_reset');
    await this.events.record(tx, caller, {
      type: 'password.changed',
      subject: `user:${user.id}`,
      data: { sessions_revoked: sessionsRevoked },
    });
    await this.mails.enqueue(tx, passwordChangedMail, { user_id: user.id }, {});
  }
}
