import { Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Identities } from '../identities/identities.service';
import { MailJob, MailMessage } from '../infra/mail/mail';
import { layoutMail } from '../infra/mail/mail-layout';
import { MailOutbox } from '../infra/mail/mail-outbox';
import { pickLocale } from '../infra/mail/pick-locale';

const KIND = 'password_changed';

const texts = {
  en: {
    lang: 'en',
    subject: 'Your password was changed',
    paragraphs: [
      'The password of your account was changed just now.',
      'If this was you, there is nothing to do. If not, reset your password at once and tell us: somebody else knew it.',
    ],
  },
};

/** Tells the owner that the password is another one now. */
@Injectable()
export class PasswordChangedMail implements OnModuleInit {
  constructor(
    private readonly outbox: MailOutbox,
    private readonly identities: Identities,
  ) {}

  onModuleInit(): void {
    this.outbox.register(KIND, (job) => this.compose(job));
  }

  async enqueue(tx: EntityManager, userId: string): Promise<void> {
    await this.outbox.enqueue(tx, KIND, { user_id: userId });
  }

  private async compose(job: MailJob): Promise<MailMessage | null> {
    const user = await this.identities.findById(String(job.payload.user_id));
    if (!user) return null;
    const { lang, subject, paragraphs } = pickLocale(user.locale, texts);
    return { to: user.email, subject, ...layoutMail({ lang, heading: subject, paragraphs }) };
  }
}
