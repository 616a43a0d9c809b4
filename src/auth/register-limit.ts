import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Config } from '../config/config';
import { Limit, Limits } from '../infra/limits/limits';

/** Sign-ups from one client address. */
@Injectable()
export class RegisterLimit {
  private readonly limit: Limit;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly limits: Limits,
  ) {
    this.limit = {
      name: 'register',
      points: config.RATELIMIT_REGISTER_ATTEMPTS,
      seconds: config.RATELIMIT_REGISTER_WINDOW_HOURS * 3600,
    };
  }

  /** @throws rate_limited */
  async take(ip: string): Promise<void> {
    await this.limits.consume([this.limit, ip]);
  }
}
