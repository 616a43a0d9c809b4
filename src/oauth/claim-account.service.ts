import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { Caller } from '../common/caller';
import { AccountMails } from '../identities/account-mails.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { RemoveSecondFactor } from '../mfa/remove-second-factor.service';
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
    private readonly secondFactor: RemoveSecondFactor,
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
        const wasSetUp = await takeOver(tx, userId, profile, at);
        await this.secondFactor.forget(tx, caller, userId, 'account_claimed');
        await this.tokens.discard(tx, userId, 'email_verification');
        await this.tokens.discard(tx, userId, 'password_reset');
        await this.events.record(tx, caller, {
          type: 'user.email_verified',
          subject: `user:${userId}`,
          data: {},
        });
        await this.links.add(tx, caller, userId, profile.subject);
        await this.mails.enqueue(tx, accountClaimedMail, { user_id: userId }, { was_set_up: wasSetUp });
        // With the epoch of this very moment: what ends sessions after it ends this sign-in too.
        claimed = await tx.findOneByOrFail(User, { id: userId });
      },
    );
    if (!claimed) throw new LinkRaced();
    return claimed;
  }
}

/**
 * With the account's row locked.
 * @returns whether somebody had chosen a password. Where nobody has, an administrator made the account, and what it says
 * of its owner is the administrator's word.
 */
async function takeOver(
  tx: EntityManager,
  userId: string,
  { email, name }: GoogleProfile,
  at: Date,
): Promise<boolean> {
  const account = await tx.findOneBy(User, {
    id: userId,
    email,
    kind: 'person',
    status: 'pending_verification',
    emailVerifiedAt: IsNull(),
    deletedAt: IsNull(),
  });
  if (!account) throw new LinkRaced();
  const wasSetUp = account.passwordHash !== null;
  await tx.update(
    User,
    { id: userId },
    {
      status: 'active',
      emailVerifiedAt: at,
      updatedAt: at,
      passwordHash: null,
      passwordChangedAt: null,
      ...(wasSetUp && { name, phone: null, avatarUrl: null, timezone: 'UTC', locale: 'en-US' }),
    },
  );
  // The owner is told of the stranger's devices, should they turn up again, as of any other new one.
  await tx.query(`DELETE FROM known_devices WHERE user_id = $1`, [userId]);
  return wasSetUp;
}
