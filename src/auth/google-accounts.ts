import { Inject, Injectable } from '@nestjs/common';
import { Caller } from '../common/caller';
import { CONFIG, Config } from '../config/config';
import { emailNotVerified } from '../identities/identities.errors';
import { AccountRefused } from '../oauth/account-refused';
import { GoogleIdentity } from '../oauth/google-identity';
import { LinkedAccount, LinkIdentity } from '../oauth/link-identity.service';
import { LoginTrail } from './login-trail';

/** The account that a Google account opens. One that may not be opened is told of it, as by a sign-in with a password. */
@Injectable()
export class GoogleAccounts {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly accounts: LinkIdentity,
    private readonly trail: LoginTrail,
  ) {}

  /** @throws account_suspended, account_deactivated, email_not_verified, and what else `LinkIdentity` throws. */
  async open(caller: Caller, identity: GoogleIdentity): Promise<LinkedAccount> {
    try {
      const linked = await this.accounts.run(caller, identity);
      if (this.config.FEATURE_REQUIRE_VERIFIED_EMAIL && !linked.user.emailVerifiedAt)
        throw new AccountRefused(linked.user, emailNotVerified());
      return linked;
    } catch (error) {
      if (!(error instanceof AccountRefused)) throw error;
      await this.trail.failed(caller, error.user, 'not_allowed');
      throw error.answer;
    }
  }
}
