import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Config } from '../config/config';
import { Limit, Limits, Refusal } from '../infra/limits/limits';
import { networkOf } from '../infra/limits/network-of';

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

  /**
   * Counts a try before it is made. Known and unknown accounts alike. What the tight limit refuses does not count
   * against the others: from one address alone nobody uses up what an account has for everyone.
   */
  async take(ip: string, email: string): Promise<Refusal | null> {
    return (
      (await this.limits.tryConsume([this.pair, `${networkOf(ip)} ${email}`])) ??
      (await this.limits.tryConsume([this.account, email], [this.address, networkOf(ip)]))
    );
  }

  /** For a try that was never made: a busy service, or one without its stores, must not lock anybody out. */
  async giveBack(ip: string, email: string): Promise<void> {
    await Promise.all([
      this.limits.giveBack(this.pair, `${networkOf(ip)} ${email}`),
      this.limits.giveBack(this.account, email),
      this.limits.giveBack(this.address, networkOf(ip)),
    ]);
  }

  /** After a success: only failures count. */
  async forget(ip: string, email: string): Promise<void> {
    await Promise.all([
      this.limits.reset(this.pair, `${networkOf(ip)} ${email}`),
      this.limits.giveBack(this.account, email),
      this.limits.giveBack(this.address, networkOf(ip)),
    ]);
  }
}
