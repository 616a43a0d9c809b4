import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { Events } from '../infra/events/events';
import { MailRequestLimit } from '../infra/limits/mail-request-limit';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { ResendBody, ResendReply, VerifyEmailBody, VerifyEmailReply } from './auth.dto';
import { invalidVerificationToken } from './auth.errors';
import { EmailVerificationMail } from './email-verification.mail';

/** Proves that an address belongs to its account. */
@Injectable()
export class VerifyEmail {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly tokens: OneTimeTokens,
    private readonly events: Events,
    private readonly limit: MailRequestLimit,
    private readonly mail: EmailVerificationMail,
  ) {}

  /** @throws invalid_verification_token */
  async run(caller: Caller, { token }: VerifyEmailBody): Promise<VerifyEmailReply> {
    const id = await this.tokens.identify('email_verification', token);
    if (!id) throw invalidVerificationToken();
    return this.db.transaction(async (tx) => {
      await lockOwner(tx, id);
      const used = await this.tokens.consume(tx, 'email_verification', id);
      if (!used) throw invalidVerificationToken();
      // The token proves the address it was mailed to: not one that the account has got since.
      const [rows] = await tx.query<[{ status: 'active' }[], number]>(
        `UPDATE users SET email_verified_at = coalesce(email_verified_at, $3), updated_at = $3,
           status = CASE status WHEN 'pending_verification' THEN 'active' ELSE status END
         WHERE id = $1 AND email = $2 AND status IN ('pending_verification', 'active') AND deleted_at IS NULL
         RETURNING status`,
        [used.userId, used.email, this.clock.date()],
      );
      if (rows.length === 0) throw invalidVerificationToken();
      await this.tokens.discard(tx, used.userId, 'email_verification');
      const subject = `user:${used.userId}`;
      await this.events.record(tx, caller, {
        type: 'user.email_verified',
        subject,
        actor: subject,
        data: {},
      });
      return { email: used.email, status: 'active' };
    });
  }

  /** Sends another link. The answer is the same whatever there is. @throws rate_limited */
  async resend(caller: Caller, { email }: ResendBody): Promise<ResendReply> {
    await this.limit.take('verification', caller.ip, email);
    await this.mail.enqueue(this.db, email);
    return { message: 'If this address has an account that is not verified, a mail is on its way.' };
  }
}

/** The user's row before the token: whoever deletes or hands over the account takes them in this order too. */
async function lockOwner(tx: EntityManager, tokenId: string): Promise<void> {
  await tx.query(
    `SELECT FROM users WHERE id = (SELECT user_id FROM one_time_tokens WHERE id = $1) FOR NO KEY UPDATE`,
    [tokenId],
  );
}
