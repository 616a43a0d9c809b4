import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { CONFIG, Config } from '../config/config';
import { Identities } from '../identities/identities.service';
import { MailJob, MailMessage } from '../infra/mail/mail';
import { layoutMail } from '../infra/mail/mail-layout';
import { MailOutbox } from '../infra/mail/mail-outbox';
import { pickLocale } from '../infra/mail/pick-locale';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';

const KIND = 'email_verification';
const HOUR = 3_600_000;

const texts = {
  en: {
    lang: 'en',
    subject: 'Verify your e-mail address',
    // Without the name: whoever signed up chose it, and this mail may reach a stranger.
    greeting: 'Welcome!',
    ask: 'Press the button to confirm that this address is yours.',
    label: 'Verify my address',
    note: (hours: number) =>
      `The link works once and for ${hours} hours. If you did not sign up, ignore this mail and do not press the button: the account is not yours.`,
  },
};

/** The mail with the link that proves an address. */
@Injectable()
export class EmailVerificationMail implements OnModuleInit {
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

  /** For any address: whether there is an account to verify is found out when the mail is written, not while somebody waits and measures. */
  async enqueue(tx: EntityManager, email: string): Promise<void> {
    await this.outbox.enqueue(tx, KIND, { email });
  }

  private async compose(job: MailJob): Promise<MailMessage | null> {
    const user = await this.identities.findByEmail(String(job.payload.email));
    if (!user || user.emailVerifiedAt) return null;
    const hours = this.config.EMAIL_VERIFICATION_TOKEN_TTL_HOURS;
    const { token } = await this.tokens.issue(this.db, {
      id: job.id,
      userId: user.id,
      purpose: KIND,
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
        action: { label: text.label, url: `${this.config.PUBLIC_URL}/verify-email?token=${token}` },
        note: text.note(hours),
      }),
    };
  }
}
