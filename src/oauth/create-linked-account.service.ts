import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Roles } from '../authz/roles.service';
import { SIGN_UP_ROLE } from '../authz/sign-up-role';
import { Caller } from '../common/caller';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { GoogleProfile } from './google-profile';
import { LinkRaced } from './link-raced';
import { ProviderLinks } from './provider-links.service';

/** Makes an account for somebody Google vouches for: active, with a proved address and without a password. */
@Injectable()
export class CreateLinkedAccount {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly roles: Roles,
    private readonly links: ProviderLinks,
  ) {}

  /** @throws LinkRaced where address or Google account have got an account meanwhile. */
  async run(caller: Caller, { subject, email, name }: GoogleProfile): Promise<User> {
    const now = this.clock.date();
    return this.db.transaction(async (tx) => {
      const inserted = await tx
        .createQueryBuilder()
        .insert()
        .into(User)
        .values({
          id: newId(),
          email,
          name,
          timezone: 'UTC',
          locale: 'en-US',
          status: 'active',
          emailVerifiedAt: now,
          createdAt: now,
          updatedAt: now,
        })
        .orIgnore()
        .returning('id')
        .execute();
      const [row] = inserted.raw as { id: string }[];
      if (!row) throw new LinkRaced();
      await this.events.record(tx, caller, {
        type: 'user.registered',
        subject: `user:${row.id}`,
        data: { method: 'google' },
      });
      await this.links.add(tx, caller, row.id, subject);
      await this.roles.assign(tx, caller, row.id, SIGN_UP_ROLE);
      return tx.findOneByOrFail(User, { id: row.id });
    });
  }
}
