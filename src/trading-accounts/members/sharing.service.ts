import { Inject, Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { AuthenticatedCaller } from '../../common/caller';
import { featureDisabled } from '../../common/common.errors';
import { CONFIG, Config } from '../../config/config';
import { Limit, Limits } from '../../infra/limits/limits';
import { networkOf } from '../../infra/limits/network-of';
import { requireVerified } from '../owner-lock';

/** Nobody invites more people than that, and whoever tries addresses gets no further. */
const INVITATIONS: Limit = { name: 'member-invitation', points: 20, seconds: 3600 };

/** What has to be the case before anybody shares an account. */
@Injectable()
export class Sharing {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly db: EntityManager,
    private readonly limits: Limits,
  ) {}

  /** @throws feature_disabled */
  requireOn(): void {
    if (!this.config.FEATURE_SHARED_ACCOUNTS) throw featureDisabled();
  }

  /** Before anything is said of the address of somebody else. @throws email_not_verified, not_authenticated, rate_limited */
  async admit({ userId, ip }: AuthenticatedCaller): Promise<void> {
    await requireVerified(this.db, userId);
    // One after the other: whoever may invite no more uses up nothing of those who share their client address.
    await this.limits.consume([INVITATIONS, `user ${userId}`]);
    await this.limits.consume([INVITATIONS, `ip ${networkOf(ip)}`]);
  }
}
