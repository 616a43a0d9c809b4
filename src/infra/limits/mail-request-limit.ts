import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Config } from '../../config/config';
import { Limit, Limits } from './limits';
import { networkOf } from './network-of';

/** Mails that strangers can have sent to an address (reset, verification), per mail address and per client address. */
@Injectable()
export class MailRequestLimit {
  private readonly limit: Limit;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly limits: Limits,
  ) {
    this.limit = {
      name: 'mail-request',
      points: config.RATELIMIT_PASSWORD_RESET_ATTEMPTS,
      seconds: config.RATELIMIT_PASSWORD_RESET_WINDOW_HOURS * 3600,
    };
  }

  /**
   * @param kind what is asked for; each kind counts for itself.
   * @throws rate_limited for known and unknown addresses alike.
   */
  async take(kind: string, ip: string, email: string): Promise<void> {
    // One after the other: from a client address that may ask no more, nobody uses up what others' addresses have.
    await this.limits.consume([this.limit, `${kind} ip ${networkOf(ip)}`]);
    await this.limits.consume([this.limit, `${kind} email ${email}`]);
  }
}
