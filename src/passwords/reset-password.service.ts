import { Injectable } from '@nestjs/common';
import { Caller } from '../common/caller';
import { Limits } from '../infra/limits/limits';
import { PasswordHasher } from './password-hasher';
import { PasswordPolicy } from './password-policy';
import { PasswordResetRecord } from './password-reset-record';
import { MessageReply, ResetBody } from './passwords.dto';
import { invalidResetToken } from './passwords.errors';
import { ResetLinkOwner } from './reset-link-owner.service';

/** Each one takes hashing threads from everybody, and a password that breaks the rules leaves the link good. */
const TRIES = { name: 'password-reset-tries', points: 30, seconds: 900 };

/** Sets a new password with the token from the mail, and ends every session. */
@Injectable()
export class ResetPassword {
  constructor(
    private readonly links: ResetLinkOwner,
    private readonly limits: Limits,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly record: PasswordResetRecord,
  ) {}

  /** @throws invalid_reset_token, rate_limited, password_policy (the token stays good), hashing_busy */
  async run(caller: Caller, { token, new_password }: ResetBody): Promise<MessageReply> {
    const link = await this.links.find(token);
    if (!link) throw invalidResetToken();
    const { tokenId, owner } = link;
    // Counted for the account: only whoever reads its mail has a good link, so nobody else can use this up.
    await this.limits.consume([TRIES, owner.id]);
    await this.policy.check(new_password, owner, 'new_password');
    await this.record.write(caller, tokenId, owner.id, await this.hasher.hash(new_password));
    return { message: 'Your password was changed. Sign in with the new one.' };
  }
}
