import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { AccountClaims } from '../identities/account-claims.service';
import { AccountMails } from '../identities/account-mails.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { EndSessions } from '../sessions/end-sessions.service';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';
import { accountClaimedMail } from './account-claimed.mail';
import { GoogleProfile } from './google-profile';
import { LinkRaced } from './link-raced';
import { ProviderLinks } from './provider-links.service';

/**
 * Hands an account whose address nobody has proved to the owner of the address. Whoever made it may be a stranger who
 * waits for just that ("pre-hijacking"): nothing of theirs survives, neither password nor sessions, neither second
 * factor nor name.
 */
@Injectable()
export class ClaimAccount {
  constructor(
    private readonly endSessions: EndSessions,
    private readonly claims: AccountClaims,
    private readonly tokens: OneTimeTokens,
    private readonly links: ProviderLinks,
    private readonly events: Events,
    private readonly mails: AccountMails,
  ) {}

  /**
   * @param at when Google vouched for the address.
   * @throws google_already_linked, LinkRaced
   */
  async run(caller: Caller, userId: string, profile: GoogleProfile, at: Date): Promise<User> {
    let claimed: User | undefined;
    await this.endSessions.run(
      caller,
      { userId, reason: 'account_claimed', ends: () => true, underWay: true },
      async (tx) => {
        await takeOver(tx, userId, profile, at);
        await this.claims.run(tx, caller, userId);
        await this.tokens.discard(tx, userId, 'email_verification');
        await this.tokens.discard(tx, userId, 'password_reset');
        await this.events.record(tx, caller, {
          type: 'user.email_verified',
          subject: `user:${userId}`,
          data: {},
        });
        await this.links.add(tx, caller, userId, profile.subject);
        await this.mails.enqueue(tx, accountClaimedMail, { user_id: userId }, {});
        // With the epoch of this very moment: what ends sessions after it ends this sign-in too.
        claimed = await tx.findOneByOrFail(User, { id: userId });
      },
    );
    if (!claimed) throw new LinkRaced();
    return claimed;
  }
}

async function takeOver(
  tx: EntityManager,
  userId: string,
  { email, name }: GoogleProfile,
  at: Date,
): Promise<void> {
  const [, count] = await tx.query<[unknown[], number]>(
    `UPDATE users SET email_verified_at = $4, status = 'active', password_hash = NULL, password_changed_at = NULL,
       name = $3, phone = NULL, avatar_url = NULL, timezone = 'UTC', locale = 'en-US', updated_at = $4
     WHERE id = $1 AND email = $2 AND email_verified_at IS NULL AND status = 'pending_verification'
       AND kind = 'person' AND deleted_at IS NULL`,
    [userId, email, name, at],
  );
  if (count === 0) throw new LinkRaced();
  // The owner is told of the stranger's devices, should they turn up again, as of any other new one.
  await tx.query(`DELETE FROM known_devices WHERE user_id = $1`, [userId]);
}
