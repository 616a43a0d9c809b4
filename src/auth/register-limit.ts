import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Config } from '../config/config';
import { Limit, Limits } from '../infra/limits/limits';
import { networkOf } from '../infra/limits/network-of';

const MAILS_TO_OWNER: Limit = { name: 'account-exists-mail', points: 3, seconds: 86_400 };

/** Sign-ups from one client address. */
@Injectable()
export class RegisterLimit {
  private readonly limit: Limit;
  /** Tries, the ones that failed included: each takes a thread's time. */
  private readonly tries: Limit;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly limits: Limits,
  ) {
    this.limit = {
      name: 'register',
      points: config.RATELIMIT_REGISTER_ATTEMPTS,
      seconds: config.RATELIMIT_REGISTER_WINDOW_HOURS * 3600,
    };
    this.tries = { ...this.limit, name: 'register-tries', points: 6 * this.limit.points };
  }

  /**
   * Whether the owner of an address should be told of one more sign-up with it. Asked for every sign-up alike; strangers
   * must not fill somebody's mailbox.
   */
  async mayTellOwner(email: string): Promise<boolean> {
    return (await this.limits.tryConsume([MAILS_TO_OWNER, email])) === null;
  }

  /** @throws rate_limited */
  async take(ip: string): Promise<void> {
    await this.limits.consume([this.limit, networkOf(ip)], [this.tries, networkOf(ip)]);
  }

  /** After a try that made no account. */
  async giveBack(ip: string): Promise<void> {
    await this.limits.giveBack(this.limit, networkOf(ip));
  }
}
