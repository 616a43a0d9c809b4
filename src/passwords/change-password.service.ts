import { Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { notAuthenticated } from '../common/common.errors';
import { Identities } from '../identities/identities.service';
import { User } from '../identities/user.entity';
import { Limits } from '../infra/limits/limits';
import { PasswordChangeRecord } from './password-change-record';
import { PasswordHasher } from './password-hasher';
import { PasswordPolicy } from './password-policy';
import { ChangePasswordBody, ChangePasswordReply } from './passwords.dto';
import { invalidCurrentPassword } from './passwords.errors';

/** Wrong guesses at the present password: a stolen session must not become a stolen password. */
const GUESSES = { name: 'current-password', points: 5, seconds: 900 };
/** Each one takes hashing threads from everybody. */
const CHANGES = { name: 'change-password', points: 10, seconds: 900 };

/** Changes a password for whoever knows the present one. Other sessions stay unless asked otherwise (seed 004). */
@Injectable()
export class ChangePassword {
  constructor(
    private readonly identities: Identities,
    private readonly limits: Limits,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly record: PasswordChangeRecord,
  ) {}

  /** @throws invalid_current_password, password_policy, rate_limited, hashing_busy */
  async run(caller: AuthenticatedCaller, body: ChangePasswordBody): Promise<ChangePasswordReply> {
    await this.limits.consume([GUESSES, caller.userId], [CHANGES, caller.userId]);
    const user = await this.identities.findById(caller.userId);
    if (!user) throw notAuthenticated();
    if (!(await this.isRight(user, body.current_password))) throw invalidCurrentPassword();
    await this.limits.reset(GUESSES, caller.userId);
    await this.policy.check(body.new_password, user, 'new_password');
    const hash = await this.hasher.hash(body.new_password);
    const ended = await this.record.write(caller, user, hash, body.revoke_other_sessions);
    return { message: 'Your password was changed.', sessions_revoked: ended.length };
  }
  private async isRight(user: User, password: string): Promise<boolean> {
    try {
      return await this.hasher.verify(password, user.passwordHash);
    } catch (error) {
      // A guess that was never looked at is none.
      await this.limits.giveBack(GUESSES, user.id);
      throw error;
    }
  }
}
