import { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Redis } from 'ioredis';
import { SMTPServer } from 'smtp-server';
import { Clock } from '../../src/common/clock';
import { loadConfig } from '../../src/config/config';
import { MailboxTransport } from '../../src/infra/mail/mailbox-transport';
import { SmtpTransport } from '../../src/infra/mail/smtp-transport';
import { createTestDatabase, TestDatabase } from '../support/database';
import { describeMailTransport, ReceivedMail } from './mail-transport.contract';
import { readMime } from './read-mime';

describeMailTransport('SmtpTransport', async () => {
  const mails: ReceivedMail[] = [];
  const server = new SMTPServer({
    logger: false,
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    closeTimeout: 100,
    onData: (stream, { envelope }, done) => {
      void text(stream)
        .then((source) => {
          mails.unshift({ ...readMime(source), recipients: envelope.rcptTo.map(({ address }) => address) });
        })
        .then(() => done(), done);
    },
  });
  server.on('error', () => {}); // Of clients that hang up.
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const transport = new SmtpTransport(
    loadConfig({
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String((server.server.address() as AddressInfo).port),
      SMTP_TLS: 'false',
    }),
  );
  return {
    transport,
    received: async () => [...mails],
    stop: async () => {
      await transport.close();
      await new Promise<void>((closed) => server.close(closed));
    },
  };
});

let stores: TestDatabase;
beforeAll(async () => {
  stores = await createTestDatabase();
});
afterAll(() => stores.drop());

describeMailTransport('MailboxTransport', async () => {
  const redis = new Redis(stores.redisUrl);
  const transport = new MailboxTransport(redis, new Clock());
  return {
    transport,
    received: async () =>
      (await transport.list()).map(({ to, subject, text, html }) => ({
        recipients: [to],
        subject,
        text,
        html,
      })),
    stop: async () => {
      await transport.clear();
      await transport.close();
      redis.disconnect();
    },
  };
});
