import { Injectable } from '@nestjs/common';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { unavailable } from '../common/common.errors';
import { Identities } from '../identities/identities.service';
import { User } from '../identities/user.entity';
import { ClaimAccount } from './claim-account.service';
import { CreateLinkedAccount } from './create-linked-account.service';
import { GoogleIdentity } from './google-identity';
import { profileOf, requireVerified } from './google-profile';
import { JoinAccount } from './join-account.service';
import { LinkRaced } from './link-raced';
import { ProviderLinks } from './provider-links.service';
import { requireOpen } from './require-open';

const MOST_TRIES = 3;

export interface LinkedAccount {
  user: User;
  /** Made just now. */
  isNew: boolean;
}

/**
 * Which account a Google account opens. Its `sub` decides, and where that is unknown the address, provided that it is
 * proved: at Google, or nobody gets anywhere; here, or the account is taken over as if it were empty.
 */
@Injectable()
export class LinkIdentity {
  constructor(
    private readonly clock: Clock,
    private readonly identities: Identities,
    private readonly links: ProviderLinks,
    private readonly create: CreateLinkedAccount,
    private readonly join: JoinAccount,
    private readonly claim: ClaimAccount,
  ) {}

  /** @throws email_not_verified, email_not_usable, google_already_linked, AccountRefused, unavailable */
  async run(caller: Caller, identity: GoogleIdentity): Promise<LinkedAccount> {
    requireVerified(identity);
    for (let tries = 1; ; tries++) {
      try {
        return await this.find(caller, identity);
      } catch (error) {
        if (!(error instanceof LinkRaced)) throw error;
        if (tries === MOST_TRIES) throw unavailable({ cause: error });
      }
    }
  }

  private async find(caller: Caller, identity: GoogleIdentity): Promise<LinkedAccount> {
    const linked = await this.links.owner(identity.subject);
    if (linked) {
      requireOpen(linked);
      return { user: linked, isNew: false };
    }
    const profile = profileOf(identity);
    const local = await this.identities.findByEmail(profile.email);
    if (!local) return { user: await this.create.run(caller, profile), isNew: true };
    requireOpen(local);
    const user = local.emailVerifiedAt
      ? await this.join.run(caller, local.id, profile)
      : await this.claim.run(caller, local.id, profile, this.clock.date());
    return { user, isNew: false };
  }
}
