import { Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { Identities } from '../identities/identities.service';
import { MailJob, MailMessage } from '../infra/mail/mail';
import { layoutMail } from '../infra/mail/mail-layout';
import { MailOutbox } from '../infra/mail/mail-outbox';
import { pickLocale } from '../infra/mail/pick-locale';

const KIND = 'new_device';

const texts = {
  en: {
    lang: 'en',
    subject: 'New sign-in to your account',
    heading: 'New sign-in to your account',
    text: (at: string, ip: string, device: string) =>
      `Your account was used from a device we have not seen before.\n\nTime: ${at}\nAddress: ${ip}\nDevice: ${device}`,
    advice:
      'If this was you, there is nothing to do. If not, reset your password now: that ends every session.',
    unknownDevice: 'unknown',
  },
};

interface Payload {
  user_id: string;
  at: string;
  ip: string;
  user_agent: string | null;
}

/** Tells the owner of a sign-in from a device that is new. */
@Injectable()
export class NewDeviceMail implements OnModuleInit {
  constructor(
    private readonly outbox: MailOutbox,
    private readonly identities: Identities,
  ) {}

  onModuleInit(): void {
    this.outbox.register(KIND, (job) => this.compose(job));
  }

  async enqueue(tx: EntityManager, caller: Caller, userId: string, at: Date): Promise<void> {
    const payload: Payload = {
      user_id: userId,
      at: at.toISOString(),
      ip: caller.ip,
      user_agent: caller.userAgent,
    };
    await this.outbox.enqueue(tx, KIND, { ...payload });
  }

  private async compose(job: MailJob): Promise<MailMessage | null> {
    const payload = job.payload as unknown as Payload;
    const user = await this.identities.findById(payload.user_id);
    if (!user) return null;
    const text = pickLocale(user.locale, texts);
    const at = new Intl.DateTimeFormat(user.locale, {
      dateStyle: 'long',
      timeStyle: 'long',
      timeZone: user.timezone,
    }).format(new Date(payload.at));
    return {
      to: user.email,
      subject: text.subject,
      ...layoutMail({
        lang: text.lang,
        heading: text.heading,
        paragraphs: [text.text(at, payload.ip, payload.user_agent ?? text.unknownDevice), text.advice],
      }),
    };
  }
}
