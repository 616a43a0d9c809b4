import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { CONFIG, Config } from '../config/config';
import { Identities } from '../identities/identities.service';
import { MailJob, MailMessage } from '../infra/mail/mail';
import { layoutMail } from '../infra/mail/mail-layout';
import { MailOutbox } from '../infra/mail/mail-outbox';
import { pickLocale } from '../infra/mail/pick-locale';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';

const KIND = 'invitation';
const HOUR = 3_600_000;

const texts = {
  en: {
    lang: 'en',
    subject: 'An account was made for you',
    greeting: 'Welcome!',
    ask: 'An administrator has made an account for this address. Choose a password to begin.',
    label: 'Choose a password',
    note: (hours: number) =>
      `The link works once and for ${hours} hours. After that, ask for a new one with "forgot password". If you expect no account, ignore this mail.`,
  },
};

/**
 * The mail to somebody whose account an administrator has made. Its link sets the first password, and thereby proves
 * the address: nobody else ever knows a password of the account.
 */
@Injectable()
export class InvitationMail implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly outbox: MailOutbox,
    private readonly identities: Identities,
    private readonly tokens: OneTimeTokens,
    private readonly db: EntityManager,
  ) {}

  onModuleInit(): void {
    this.outbox.register(KIND, (job) => this.compose(job));
  }

  async enqueue(tx: EntityManager, userId: string): Promise<void> {
    await this.outbox.enqueue(tx, KIND, { user_id: userId });
  }

  private async compose(job: MailJob): Promise<MailMessage | null> {
    const user = await this.identities.findById(String(job.payload.user_id));
    // Whoever has a password by now has found another way in.
    if (!user?.email || user.passwordHash !== null || user.status !== 'pending_verification') return null;
    const hours = this.config.EMAIL_VERIFICATION_TOKEN_TTL_HOURS;
    const { token } = await this.tokens.issue(this.db, {
      id: job.id,
      userId: user.id,
      purpose: 'password_reset',
      email: user.email,
      ttlMs: hours * HOUR,
    });
    const text = pickLocale(user.locale, texts);
    return {
      to: user.email,
      subject: text.subject,
      ...layoutMail({
        lang: text.lang,
        heading: text.greeting,
        paragraphs: [text.ask],
        action: { label: text.label, url: `${this.config.PUBLIC_URL}/reset-password?token=${token}` },
        note: text.note(hours),
      }),
    };
  }
}
