import { Injectable } from '@nestjs/common';
import { AuthenticatedCaller } from '../common/caller';
import { notAuthenticated } from '../common/common.errors';
import { Identities } from '../identities/identities.service';
import { Limits } from '../infra/limits/limits';
import { CurrentPassword } from './current-password.service';
import { PasswordChangeRecord } from './password-change-record';
import { PasswordHasher } from './password-hasher';
import { PasswordPolicy } from './password-policy';
import { ChangePasswordBody, ChangePasswordReply } from './passwords.dto';

/** Each one takes hashing threads from everybody. */
const CHANGES = { name: 'change-password', points: 10, seconds: 900 };

/** Changes a password for whoever knows the present one. Other sessions stay unless asked otherwise (seed 004). */
@Injectable()
export class ChangePassword {
  constructor(
    private readonly identities: Identities,
    private readonly limits: Limits,
    private readonly currentPassword: CurrentPassword,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly record: PasswordChangeRecord,
  ) {}

  /** @throws invalid_current_password, password_policy, rate_limited, hashing_busy */
  async run(caller: AuthenticatedCaller, body: ChangePasswordBody): Promise<ChangePasswordReply> {
    await this.limits.consume([CHANGES, caller.userId]);
    const user = await this.identities.findById(caller.userId);
    if (!user) throw notAuthenticated();
    await this.currentPassword.check(user, body.current_password);
    await this.policy.check(body.new_password, user, 'new_password');
    const hash = await this.hasher.hash(body.new_password);
    const ended = await this.record.write(caller, user, hash, body.revoke_other_sessions);
    return { message: 'Your password was changed.', sessions_revoked: ended.length };
  }
}
