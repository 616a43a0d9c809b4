import { Injectable } from '@nestjs/common';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { PasswordHasher } from '../passwords/password-hasher';
import { PasswordPolicy } from '../passwords/password-policy';
import { RegisterBody, RegisterReply } from './auth.dto';
import { NewAccounts } from './new-accounts';
import { RegisterLimit } from './register-limit';

/**
 * Signs a person up. A taken address gets the same answer after the same work; its owner is told by mail, so that
 * nobody can ask this service who has an account.
 */
@Injectable()
export class Register {
  constructor(
    private readonly limit: RegisterLimit,
    private readonly policy: PasswordPolicy,
    private readonly hasher: PasswordHasher,
    private readonly accounts: NewAccounts,
    private readonly clock: Clock,
  ) {}

  /** @throws rate_limited, password_policy, hashing_busy */
  async run(caller: Caller, body: RegisterBody): Promise<RegisterReply> {
    await this.limit.take(caller.ip);
    await this.policy.check(body.password, body).catch(async (error: unknown) => {
      // Nobody signed up: whoever looks for a good password is not sent away for an hour.
      await this.limit.giveBack(caller.ip);
      throw error;
    });
    const now = this.clock.date();
    const tellOwner = await this.limit.mayTellOwner(body.email);
    await this.accounts.create(caller, body, {
      passwordHash: await this.hasher.hash(body.password),
      now,
      tellOwner,
    });
    return {
      email: body.email,
      status: 'pending_verification',
      verification_email_sent: true,
      created_at: now.toISOString(),
    };
  }
}
