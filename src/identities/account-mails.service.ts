import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { CONFIG, Config } from '../config/config';
import { MailJob, MailMessage } from '../infra/mail/mail';
import { layoutMail } from '../infra/mail/mail-layout';
import { MailOutbox } from '../infra/mail/mail-outbox';
import { pickLocale } from '../infra/mail/pick-locale';
import { AccountMail, definedAccountMails } from './account-mail';
import { User } from './user.entity';

/** Whom a mail is for: an account, or whoever has an address when it is sent. */
type Recipient = { user_id: string } | { email: string };

/** Sends the owners of accounts what `defineAccountMail` has declared. */
@Injectable()
export class AccountMails implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly outbox: MailOutbox,
    private readonly db: EntityManager,
  ) {}

  onModuleInit(): void {
    for (const mail of definedAccountMails()) {
      this.outbox.register(mail.kind, (job) => this.compose(mail, job));
    }
  }

  /** Puts a mail into the caller's transaction. Accounts without an address get none. */
  async enqueue<P extends object>(
    tx: EntityManager,
    mail: AccountMail<P>,
    recipient: Recipient,
    payload: P,
  ): Promise<void> {
    await this.outbox.enqueue(tx, mail.kind, { ...recipient, ...payload });
  }

  private async compose(mail: AccountMail, { payload }: MailJob): Promise<MailMessage | null> {
    const { user_id: id, email, ...rest } = payload as Record<string, string | undefined>;
    const user = await this.db.findOneBy(User, {
      ...(id === undefined ? { email } : { id }),
      ...(!mail.evenDeleted && { deletedAt: IsNull() }),
    });
    if (!user?.email) return null;
    const text = pickLocale(user.locale, mail.texts);
    return {
      to: user.email,
      subject: text.subject,
      ...layoutMail({
        lang: text.lang,
        heading: text.subject,
        note: this.config.PUBLIC_URL,
        ...text.write(rest, user),
      }),
    };
  }
}
