import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Config } from '../config/config';
import { Limit, Limits, Refusal } from '../infra/limits/limits';

/** How many times the tries of one account from one address an account, or an address, has in all. */
const ACCOUNT_FACTOR = 10;
const ADDRESS_FACTOR = 20;

/**
 * Limits of failed sign-ins: tight for one account from one address, looser for an account from everywhere (a crowd
 * must not guess, nor lock the owner out easily) and for an address against all accounts.
 */
@Injectable()
export class LoginLimits {
  private readonly pair: Limit;
  private readonly account: Limit;
  private readonly address: Limit;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly limits: Limits,
  ) {
    const seconds = config.RATELIMIT_LOGIN_WINDOW_MINUTES * 60;
    const points = config.RATELIMIT_LOGIN_ATTEMPTS;
    this.pair = { name: 'login', points, seconds };
    this.account = { name: 'login-account', points: points * ACCOUNT_FACTOR, seconds };
    this.address = { name: 'login-address', points: points * ADDRESS_FACTOR, seconds };
  }

  /** Counts a try before it is made. Known and unknown accounts alike. */
  async take(ip: string, email: string): Promise<Refusal | null> {
    return this.limits.tryConsume([this.pair, `${ip} ${email}`], [this.account, email], [this.address, ip]);
  }

  /** After a success: only failures count. */
  async forget(ip: string, email: string): Promise<void> {
    await Promise.all([
      this.limits.reset(this.pair, `${ip} ${email}`),
      this.limits.giveBack(this.account, email),
      this.limits.giveBack(this.address, ip),
    ]);
  }
}
