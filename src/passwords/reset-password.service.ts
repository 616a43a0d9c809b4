import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { User } from '../identities/user.entity';
import { OneTimeToken } from '../tokens/one-time-token.entity';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { PasswordHasher } from './password-hasher';
import { PasswordPolicy } from './password-policy';
import { PasswordResetRecord } from './password-reset-record';
import { MessageReply, ResetBody } from './passwords.dto';
import { invalidResetToken } from './passwords.errors';

/** Sets a new password with the token from the mail, and ends every session. */
@Injectable()
export class ResetPassword {
  constructor(
    private readonly clock: Clock,
    private readonly db: EntityManager,
    private readonly tokens: OneTimeTokens,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly record: PasswordResetRecord,
  ) {}

  /** @throws invalid_reset_token, password_policy (the token stays good), hashing_busy */
  async run(caller: Caller, { token, new_password }: ResetBody): Promise<MessageReply> {
    const id = await this.tokens.identify('password_reset', token);
    const owner = id && (await this.owner(id));
    if (!owner) throw invalidResetToken();
    await this.policy.check(new_password, owner, 'new_password');
    await this.record.write(caller, id, owner.id, await this.hasher.hash(new_password));
    return { message: 'Your password was changed. Sign in with the new one.' };
  }

  /** Looks before the expensive part; what counts is the conditional update inside the transaction. */
  private async owner(id: string): Promise<User | null> {
    return this.db
      .createQueryBuilder(User, 'u')
      .innerJoin(OneTimeToken, 't', 't.user_id = u.id AND t.email = u.email')
      .where('t.id = :id AND t.used_at IS NULL AND t.expires_at > :now', { id, now: this.clock.date() })
      .andWhere(`u.deleted_at IS NULL AND u.status IN ('active', 'pending_verification')`)
      .getOne();
  }
}
