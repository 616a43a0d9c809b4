import { createTransport } from 'nodemailer';
import type { SMTPPoolOptions } from 'nodemailer/lib/smtp-pool';
import { Config } from '../../config/config';
import { Delivery, MailMessage, MailTransport } from './mail';
import { mailTiming } from './mail-timing';

// One address and nothing else: no list, no display name, no quoting, no control character (RFC 5321 section 4.1.2,
// the Dot-string form). What the door accepts as an address is narrower still.
const PLAIN_ADDRESS = /^[^\s\p{C}@<>()[\],;:\\"]+@[^\s\p{C}@<>()[\],;:\\"]+$/u;
const LINE_BREAKS_AND_CONTROLS = /[\p{Cc}\u2028\u2029]+/gu;

/** Sends through a mail server, over a few kept connections. */
export class SmtpTransport implements MailTransport {
  private readonly pool;
  private readonly domain: string;

  constructor(config: Config, more: Partial<SMTPPoolOptions> = {}) {
    this.domain = /@([^\s@<>]+)>?\s*$/.exec(config.SMTP_FROM)?.[1] ?? 'localhost';
    this.pool = createTransport(
      { ...smtpOptions(config), ...more, pool: true },
      {
        from: config.SMTP_FROM,
        // RFC 3834: nobody's holiday notice should answer.
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        disableFileAccess: true,
        disableUrlAccess: true,
      },
    );
    // Errors of idle connections; those of a mail reach its `send`.
    this.pool.on('error', () => {});
  }

  async send(message: MailMessage, { id, signal }: Delivery): Promise<void> {
    if (!PLAIN_ADDRESS.test(message.to)) throw new Error('the recipient is not one plain address');
    await this.pool.sendMail({
      to: { name: '', address: message.to },
      subject: message.subject.replace(LINE_BREAKS_AND_CONTROLS, ' '),
      text: message.text,
      html: message.html,
      messageId: `<${id}@${this.domain}>`,
      signal,
    });
  }

  async close(): Promise<void> {
    this.pool.close({ force: true });
  }
}

function smtpOptions(config: Config): SMTPPoolOptions {
  const implicitTls = config.SMTP_TLS && config.SMTP_PORT === 465;
  return {
    host: config.SMTP_HOST,
    port: config.SMTP_PORT,
    secure: implicitTls,
    requireTLS: config.SMTP_TLS,
    ignoreTLS: !config.SMTP_TLS,
    auth: config.SMTP_USERNAME ? { user: config.SMTP_USERNAME, pass: config.SMTP_PASSWORD } : undefined,
    maxConnections: mailTiming.concurrency,
    // The outbox repeats mails; the pool doing so too would deliver some of them twice.
    maxRequeues: 0,
    dnsTimeout: 5_000,
    connectionTimeout: 5_000,
    greetingTimeout: 10_000,
    socketTimeout: 10_000,
    // Shorter than any server's own, so that a mail seldom meets a connection that was just closed.
    idleTimeout: 10_000,
  };
}
