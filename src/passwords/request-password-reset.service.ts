import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { CONFIG, Config } from '../config/config';
import { MailRequestLimit } from '../infra/limits/mail-request-limit';
import { PasswordResetMail } from './password-reset.mail';
import { ResetRequestBody, ResetRequestReply } from './passwords.dto';

/** Asks for a reset link. The answer, and the time to it, is the same whatever there is. */
@Injectable()
export class RequestPasswordReset {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly db: EntityManager,
    private readonly limit: MailRequestLimit,
    private readonly mail: PasswordResetMail,
  ) {}

  /** @throws rate_limited */
  async run(caller: Caller, { email }: ResetRequestBody): Promise<ResetRequestReply> {
    await this.limit.take('reset', caller.ip, email);
    await this.mail.enqueue(this.db, caller, email);
    return {
      email,
      message: 'If this address has an account, a mail with a link is on its way.',
      expires_in_minutes: this.config.PASSWORD_RESET_TOKEN_TTL_MINUTES,
    };
  }
}
