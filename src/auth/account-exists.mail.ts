import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { CONFIG, Config } from '../config/config';
import { Identities } from '../identities/identities.service';
import { MailJob, MailMessage } from '../infra/mail/mail';
import { layoutMail } from '../infra/mail/mail-layout';
import { MailOutbox } from '../infra/mail/mail-outbox';
import { pickLocale } from '../infra/mail/pick-locale';

const KIND = 'account_exists';

const texts = {
  en: {
    lang: 'en',
    subject: 'You already have an account',
    paragraphs: [
      'Somebody, probably you, tried to sign up with this address. It has an account already: sign in, or reset your password if you forgot it.',
      'If it was not you, there is nothing to do. Nothing was changed.',
    ],
  },
};

/** Tells the owner of an address that somebody tried to sign up with it. */
@Injectable()
export class AccountExistsMail implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly outbox: MailOutbox,
    private readonly identities: Identities,
  ) {}

  onModuleInit(): void {
    this.outbox.register(KIND, (job) => this.compose(job));
  }

  async enqueue(tx: EntityManager, email: string): Promise<void> {
    await this.outbox.enqueue(tx, KIND, { email });
  }

  private async compose(job: MailJob): Promise<MailMessage | null> {
    const user = await this.identities.findByEmail(String(job.payload.email));
    if (!user) return null;
    const { lang, subject, paragraphs } = pickLocale(user.locale, texts);
    return {
      to: user.email,
      subject,
      ...layoutMail({ lang, heading: subject, paragraphs, note: this.config.PUBLIC_URL }),
    };
  }
}
