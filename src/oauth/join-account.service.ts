import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { Caller } from '../common/caller';
import { AccountMails } from '../identities/account-mails.service';
import { User } from '../identities/user.entity';
import { googleLinkedMail } from './google-linked.mail';
import { GoogleProfile } from './google-profile';
import { LinkRaced } from './link-raced';
import { ProviderLinks } from './provider-links.service';
import { requireOpen } from './require-open';

/** Links an account whose owner has proved the same address here. Nothing else of it changes. */
@Injectable()
export class JoinAccount {
  constructor(
    private readonly db: EntityManager,
    private readonly links: ProviderLinks,
    private readonly mails: AccountMails,
  ) {}

  /** @throws google_already_linked, AccountRefused, LinkRaced */
  async run(caller: Caller, userId: string, { subject, email }: GoogleProfile): Promise<User> {
    return this.db.transaction(async (tx) => {
      const user = await tx.findOne(User, {
        where: { id: userId, email, deletedAt: IsNull() },
        lock: { mode: 'for_no_key_update' },
      });
      if (!user?.emailVerifiedAt) throw new LinkRaced();
      requireOpen(user);
      await this.links.add(tx, caller, userId, subject);
      await this.mails.enqueue(tx, googleLinkedMail, { user_id: userId }, {});
      return user;
    });
  }
}
