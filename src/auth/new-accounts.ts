import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Roles } from '../authz/roles.service';
import { SIGN_UP_ROLE } from '../authz/sign-up-role';
import { Caller } from '../common/caller';
import { newId } from '../common/ids';
import { AccountMails } from '../identities/account-mails.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { accountExistsMail } from './account-exists.mail';
import { RegisterBody } from './auth.dto';
import { EmailVerificationMail } from './email-verification.mail';

/** Writes the account, or the mail to the one who has the address already. */
@Injectable()
export class NewAccounts {
  constructor(
    private readonly db: EntityManager,
    private readonly roles: Roles,
    private readonly events: Events,
    private readonly verificationMail: EmailVerificationMail,
    private readonly mails: AccountMails,
  ) {}

  async create(
    caller: Caller,
    body: RegisterBody,
    { passwordHash, now, tellOwner }: { passwordHash: string; now: Date; tellOwner: boolean },
  ): Promise<void> {
    await this.db.transaction(async (tx) => {
      const userId = newId();
      const inserted = await tx
        .createQueryBuilder()
        .insert()
        .into(User)
        .values({
          id: userId,
          email: body.email,
          name: body.name,
          phone: body.phone ?? null,
          timezone: body.timezone,
          locale: body.locale,
          status: 'pending_verification',
          passwordHash,
          passwordChangedAt: now,
          createdAt: now,
          updatedAt: now,
        })
        .orIgnore()
        .returning('id')
        .execute();
      if ((inserted.raw as unknown[]).length === 0) {
        if (tellOwner) await this.mails.enqueue(tx, accountExistsMail, { email: body.email }, {});
        return;
      }
      const subject = `user:${userId}`;
      await this.events.record(tx, caller, {
        type: 'user.registered',
        subject,
        data: { method: 'password' },
      });
      await this.roles.assign(tx, caller, userId, SIGN_UP_ROLE);
      await this.verificationMail.enqueue(tx, body.email);
    });
  }
}
