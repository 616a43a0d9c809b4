import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';
import { CONFIG, Config } from '../config/config';
import { Identities } from '../identities/identities.service';
import { User } from '../identities/user.entity';
import { Events } from '../infra/events/events';
import { MailJob, MailMessage } from '../infra/mail/mail';
import { layoutMail } from '../infra/mail/mail-layout';
import { MailOutbox } from '../infra/mail/mail-outbox';
import { pickLocale } from '../infra/mail/pick-locale';
import { OneTimeTokens } from '../tokens/one-time-tokens.service';

const KIND = 'password_reset';
const MINUTE = 60_000;

const texts = {
  en: {
    lang: 'en',
    subject: 'Reset your password',
    ask: 'Somebody, probably you, asked to reset the password of your account.',
    label: 'Choose a new password',
    note: (minutes: number) =>
      `The link works once and for ${minutes} minutes. If you did not ask for it, ignore this mail: your password stays as it is.`,
  },
};

interface Payload {
  email: string;
  request_id: string;
  ip: string;
  user_agent: string | null;
}

/** The mail with the link that resets a password. */
@Injectable()
export class PasswordResetMail implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly outbox: MailOutbox,
    private readonly identities: Identities,
    private readonly tokens: OneTimeTokens,
    private readonly events: Events,
    private readonly db: EntityManager,
  ) {}

  onModuleInit(): void {
    this.outbox.register(KIND, (job) => this.compose(job));
  }

  /** For any address; whether it has an account is found out when the mail is written, where nobody can measure it. */
  async enqueue(tx: EntityManager, caller: Caller, email: string): Promise<void> {
    const payload: Payload = {
      email,
      request_id: caller.requestId,
      ip: caller.ip,
      user_agent: caller.userAgent,
    };
    await this.outbox.enqueue(tx, KIND, { ...payload });
  }

  private async compose(job: MailJob): Promise<MailMessage | null> {
    const payload = job.payload as unknown as Payload;
    const user = await this.identities.findByEmail(payload.email);
    if (!user || !['active', 'pending_verification'].includes(user.status)) return null;
    const token = await this.issue(job, payload, user);
    const text = pickLocale(user.locale, texts);
    return {
      to: user.email,
      subject: text.subject,
      ...layoutMail({
        lang: text.lang,
        heading: text.subject,
        paragraphs: [text.ask],
        action: { label: text.label, url: `${this.config.PUBLIC_URL}/reset-password?token=${token}` },
        note: text.note(this.config.PASSWORD_RESET_TOKEN_TTL_MINUTES),
      }),
    };
  }

  private async issue(
    job: MailJob,
    { request_id, ip, user_agent }: Payload,
    user: User & { email: string },
  ): Promise<string> {
    const caller: Caller = { requestId: request_id, ip, userAgent: user_agent, permissions: new Set() };
    return this.db.transaction(async (tx) => {
      const { token, isNew } = await this.tokens.issue(tx, {
        id: job.id,
        userId: user.id,
        purpose: KIND,
        email: user.email,
        ttlMs: this.config.PASSWORD_RESET_TOKEN_TTL_MINUTES * MINUTE,
      });
      if (isNew) {
        const subject = `user:${user.id}`;
        await this.events.record(tx, caller, {
          type: 'password.reset_requested',
          subject,
          actor: 'anonymous',
          data: {},
        });
      }
      return token;
    });
  }
}
