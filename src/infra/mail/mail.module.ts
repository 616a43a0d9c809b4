/**
 * Outgoing mail: a durable outbox in PostgreSQL that features write to inside their own transactions, and a sender
 * that empties it. It refuses to send inside a request, and to hold a secret: mails are composed when they are sent,
 * by the feature that asked for them. Without a mail server (development only) mails end in the mailbox.
 */
import { Global, Module } from '@nestjs/common';
import { CONFIG, Config } from '../../config/config';
import { MAIL_TRANSPORT, MailTransport } from './mail';
import { MailOutbox } from './mail-outbox';
import { MailQueue } from './mail-queue';
import { MailSender } from './mail-sender';
import { MAIL_TIMING, mailTiming } from './mail-timing';
import { MailboxTransport } from './mailbox-transport';
import { SmtpTransport } from './smtp-transport';

@Global()
@Module({
  providers: [
    MailOutbox,
    MailQueue,
    MailSender,
    MailboxTransport,
    { provide: MAIL_TIMING, useValue: mailTiming },
    {
      provide: MAIL_TRANSPORT,
      inject: [CONFIG, MailboxTransport],
      useFactory: (config: Config, mailbox: MailboxTransport): MailTransport =>
        config.SMTP_HOST ? new SmtpTransport(config) : mailbox,
    },
  ],
  exports: [MailOutbox, MailboxTransport],
})
export class MailModule {}
