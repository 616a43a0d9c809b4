import { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test, TestingModule } from '@nestjs/testing';
import { SMTPServer, SMTPServerOptions } from 'smtp-server';
import { DataSource } from 'typeorm';
import { loadConfig } from '../src/config/config';
import { ConfigModule } from '../src/config/config.module';
import { DevMailboxController } from '../src/doors/http/dev-mailbox.controller';
import { BackgroundModule } from '../src/infra/background';
import { DatabaseModule } from '../src/infra/database/database.module';
import { MailComposer } from '../src/infra/mail/mail';
import { MailOutbox } from '../src/infra/mail/mail-outbox';
import { MailQueue } from '../src/infra/mail/mail-queue';
import { MailSender } from '../src/infra/mail/mail-sender';
import { MAIL_TIMING, MailTiming, mailTiming } from '../src/infra/mail/mail-timing';
import { MailModule } from '../src/infra/mail/mail.module';
import { metricsRegistry } from '../src/infra/metrics/metrics-registry';
import { RedisModule } from '../src/infra/redis/redis.module';
import { createTestDatabase } from './support/database';

let stores: Awaited<ReturnType<typeof createTestDatabase>>;
let database: DataSource;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  stores = await createTestDatabase();
  database = await new DataSource({ type: 'postgres', url: stores.databaseUrl }).initialize();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await database.query('TRUNCATE mail_outbox');
});

afterAll(async () => {
  await database.destroy();
  await stores.drop();
});

interface Inbox {
  port: number;
  /** The mails as they came over the wire. */
  mails: string[];
  /** Every RCPT TO, refused ones included. */
  recipients: string[];
}

async function startMailServer(options: SMTPServerOptions = {}, port = 0): Promise<Inbox> {
  const mails: string[] = [];
  const recipients: string[] = [];
  const server = new SMTPServer({
    logger: false,
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    closeTimeout: 100,
    onData: (stream, _session, done) => {
      let mail = '';
      stream.on('data', (chunk: Buffer) => (mail += chunk.toString()));
      stream.on('end', () => {
        mails.push(mail);
        done();
      });
    },
    ...options,
    onRcptTo: (address, session, done) => {
      recipients.push(address.address);
      if (options.onRcptTo) options.onRcptTo(address, session, done);
      else done();
    },
  });
  server.on('error', () => {});
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  closers.push(() => new Promise<void>((closed) => server.close(closed)));
  return { port: (server.server.address() as AddressInfo).port, mails, recipients };
}

const compose: MailComposer = async ({ payload }) => ({
  to: 'ann@example.com',
  subject: 'Hello',
  text: 'In words',
  html: '<p>In HTML</p>',
  ...payload,
});

const silent = { log: () => {}, warn: () => {}, error: () => {} };
const impatient = { poll: 50, firstRetry: 100, longestRetry: 200, drain: 300 };

/** Everything of the service that mail needs, with a feature that registers the kind `note`. */
async function startService(
  port: number | null,
  timing: Partial<MailTiming> = {},
  composer: MailComposer = compose,
): Promise<TestingModule> {
  const config = loadConfig({
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
    SMTP_HOST: port === null ? '' : '127.0.0.1',
    SMTP_PORT: String(port ?? 587),
    SMTP_TLS: 'false',
    SMTP_FROM: 'User Service <noreply@example.org>',
  });
  const service = await Test.createTestingModule({
    imports: [
      ConfigModule.with(config),
      BackgroundModule.with(true),
      DatabaseModule.with([]),
      RedisModule,
      MailModule,
    ],
    controllers: port === null ? [DevMailboxController] : [],
  })
    .overrideProvider(MAIL_TIMING)
    .useValue({ ...mailTiming, ...impatient, ...timing })
    .setLogger(silent)
    .compile();
  service.get(MailOutbox).register('note', composer);
  return service;
}

async function start(...settings: Parameters<typeof startService>): Promise<TestingModule> {
  const service = await startService(...settings);
  closers.push(() => service.close());
  return service.init();
}

const enqueue = (service: TestingModule, payload: Record<string, unknown> = {}): Promise<void> =>
  service.get(DataSource).transaction((tx) => service.get(MailOutbox).enqueue(tx, 'note', payload));

interface Row {
  id: string;
  kind: string;
  attempts: number;
  last_error: string | null;
  failed_at: Date | null;
}

const rows = (): Promise<Row[]> => database.query('SELECT * FROM mail_outbox ORDER BY created_at');

async function until(condition: () => unknown, milliseconds = 5000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('waited in vain');
    await sleep(10);
  }
}

const header = (mail: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*(?:\\r\\n[ \\t].*)*)`, 'im').exec(mail.split('\r\n\r\n', 1)[0]!)?.[1];

describe('the mail outbox', () => {
  it('delivers a mail in words and in HTML, and forgets it', async () => {
    const inbox = await startMailServer();
    const service = await start(inbox.port, { poll: 10_000 });
    await enqueue(service, { subject: 'Grüße' });
    await until(() => inbox.mails.length, 1000);
    const mail = inbox.mails[0]!;
    expect(inbox.recipients).toEqual(['ann@example.com']);
    expect(header(mail, 'From')).toBe('User Service <noreply@example.org>');
    expect(header(mail, 'To')).toBe('ann@example.com');
    expect(header(mail, 'Subject')).toMatch(/^=\?UTF-8\?Q\?Gr=C3=BC=C3=9Fe\?=$/);
    expect(header(mail, 'Auto-Submitted')).toBe('auto-generated');
    expect(header(mail, 'Content-Type')).toMatch(/^multipart\/alternative/);
    expect(mail).toMatch(
      /text\/plain; charset=utf-8[^]*In words[^]*text\/html; charset=utf-8[^]*<p>In HTML/i,
    );
    await until(async () => (await rows()).length === 0);
    const metrics = await metricsRegistry.metrics();
    expect(metrics).toMatch(/^user_service_mail_sent_total\{result="sent"\} 1$/m);
    expect(metrics).toMatch(/^user_service_mail_outbox\{state="waiting"\} \d+$/m);
  });

  it('sends nothing for a transaction that is rolled back', async () => {
    const inbox = await startMailServer();
    const service = await start(inbox.port);
    const outbox = service.get(MailOutbox);
    const rolledBack = service.get(DataSource).transaction(async (tx) => {
      await outbox.enqueue(tx, 'note', {});
      throw new Error('changed my mind');
    });
    await expect(rolledBack).rejects.toThrow('changed my mind');
    await enqueue(service, { to: 'next@example.com' });
    await until(() => inbox.mails.length);
    expect(inbox.recipients).toEqual(['next@example.com']);
  });

  it('refuses kinds that nobody writes, and two writers of one kind', async () => {
    const outbox = (await start(1)).get(MailOutbox);
    await expect(outbox.enqueue(database.manager, 'typo', {})).rejects.toThrow('not registered');
    expect(() => outbox.register('note', compose)).toThrow('twice');
  });

  it('leaves the mails of a newer version to it', async () => {
    const inbox = await startMailServer();
    const service = await start(inbox.port);
    await enqueue(service);
    await database.query(
      `INSERT INTO mail_outbox (id, kind, payload, created_at, due_at)
       VALUES (gen_random_uuid(), 'from_tomorrow', '{}', now(), now())`,
    );
    await until(() => inbox.mails.length);
    await sleep(200);
    expect(await rows()).toMatchObject([{ kind: 'from_tomorrow', attempts: 0, failed_at: null }]);
  });

  it('drops a mail that has nobody to go to any more', async () => {
    const inbox = await startMailServer();
    const service = await start(inbox.port, {}, async () => null);
    await enqueue(service);
    await until(async () => (await rows()).length === 0);
    expect(inbox.recipients).toEqual([]);
  });
});

describe('when mail does not get through', () => {
  it('tries again until the mail server is there', async () => {
    const { port } = await startMailServer();
    await closers.pop()!();
    const service = await start(port);
    await enqueue(service);
    await until(async () => (await rows())[0]!.attempts >= 2);
    expect((await rows())[0]!.last_error).toContain('ECONNREFUSED');
    const inbox = await startMailServer({}, port);
    await until(() => inbox.mails.length);
    await until(async () => (await rows()).length === 0);
    expect(inbox.mails).toHaveLength(1);
  });

  it('tries again after a 4xx and a 5xx, under the same Message-ID, and notes no address', async () => {
    const tries: string[] = [];
    const inbox = await startMailServer({
      onData: (stream, _session, done) => {
        let mail = '';
        stream.on('data', (chunk: Buffer) => (mail += chunk.toString()));
        stream.on('end', () => {
          tries.push(mail);
          const responseCode = [451, 550][tries.length - 1];
          if (!responseCode) return done();
          done(Object.assign(new Error('not for ann@example.com today'), { responseCode }));
        });
      },
    });
    const service = await start(inbox.port, { firstRetry: 400, longestRetry: 400 });
    await enqueue(service);
    const errors = new Set<string>();
    await until(async () => {
      const [row] = await rows();
      if (row?.last_error) errors.add(row.last_error);
      return !row;
    });
    expect([...errors]).toEqual([expect.stringMatching(/^E\w+ 451/), expect.stringMatching(/^E\w+ 550/)]);
    expect([...errors].join()).not.toContain('ann');
    expect(tries).toHaveLength(3);
    const ids = tries.map((mail) => header(mail, 'Message-ID'));
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^<[0-9a-f-]{36}@example\.org>$/);
  });

  it('tries again when the writer of a mail fails, and notes neither address nor token', async () => {
    const inbox = await startMailServer();
    let failures = 0;
    const service = await start(inbox.port, { firstRetry: 300 }, async (job) => {
      if (failures++ === 0) throw new Error(`no row for ann@example.com and ${'t'.repeat(43)}`);
      return compose(job);
    });
    await enqueue(service);
    await until(async () => (await rows())[0]!.last_error);
    expect((await rows())[0]!.last_error).toBe('Error: no row for [address] and [redacted]');
    await until(() => inbox.mails.length);
  });

  it('gives a mail up after a day and keeps its row', async () => {
    const { port } = await startMailServer();
    await closers.pop()!();
    const service = await startService(port);
    closers.push(() => service.close());
    await enqueue(service);
    await database.query(`UPDATE mail_outbox SET created_at = now() - interval '24 hours'`);
    await service.init();
    await until(async () => (await rows())[0]!.failed_at);
    await sleep(300);
    expect(await rows()).toMatchObject([
      { attempts: 1, last_error: expect.stringContaining('ECONNREFUSED') },
    ]);
  });

  it('goes on after PostgreSQL has cut every connection', async () => {
    const inbox = await startMailServer();
    const service = await start(inbox.port);
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    await until(() =>
      enqueue(service)
        .then(() => true)
        .catch(() => false),
    );
    await until(() => inbox.mails.length);
  });
});

describe('several senders', () => {
  it('send each of 20 mails once between them', async () => {
    const inbox = await startMailServer();
    const services = await Promise.all([startService(inbox.port), startService(inbox.port)]);
    closers.push(...services.map((service) => () => service.close()));
    for (let i = 0; i < 20; i++) await enqueue(services[0], { to: `user${i}@example.com` });
    await Promise.all(services.map((service) => service.init()));
    await until(async () => (await rows()).length === 0);
    expect([...inbox.recipients].sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `user${i}@example.com`).sort(),
    );
    expect(inbox.mails).toHaveLength(20);
  });

  it('take over from one that died, when its lease has run out and not before', async () => {
    const inbox = await startMailServer();
    const dead = await startService(inbox.port, { lease: 1000 });
    closers.push(() => dead.close());
    await enqueue(dead);
    expect(await dead.get(MailQueue).claim(['note'], 5)).toHaveLength(1);
    const claimed = performance.now();
    await start(inbox.port);
    await until(() => inbox.mails.length);
    expect(performance.now() - claimed).toBeGreaterThan(900);
    expect(inbox.mails).toHaveLength(1);
    await until(async () => (await rows()).length === 0);
  });

  it('leave a mail alone that was taken over meanwhile', async () => {
    const slow = await startService(1, { lease: 0 });
    closers.push(() => slow.close());
    await enqueue(slow);
    const queue = slow.get(MailQueue);
    const [first] = await queue.claim(['note'], 1);
    const [second] = await queue.claim(['note'], 1);
    expect(second!.id).toBe(first!.id);
    await queue.putBack(first!, 'too late');
    expect(await rows()).toMatchObject([{ attempts: 2, last_error: null }]);
  });
});

describe('a mail server that stalls', () => {
  const stallFor =
    (stalled: string): NonNullable<SMTPServerOptions['onRcptTo']> =>
    ({ address }, _session, done) => {
      if (address !== stalled) done();
    };

  it('holds up neither other mails nor the end of the process', async () => {
    const inbox = await startMailServer({ onRcptTo: stallFor('slow@example.com') });
    const service = await startService(inbox.port);
    await service.init();
    await enqueue(service, { to: 'slow@example.com' });
    await until(() => inbox.recipients.length);
    for (let i = 0; i < 10; i++) await enqueue(service);
    await until(() => inbox.mails.length === 10, 2000);
    const stopping = performance.now();
    await service.close();
    expect(performance.now() - stopping).toBeLessThan(1500);
    expect(await rows()).toMatchObject([{ attempts: 1, last_error: 'Error: the process stops' }]);
  });

  it('is given up on in time', async () => {
    const inbox = await startMailServer({ onRcptTo: stallFor('slow@example.com') });
    const service = await start(inbox.port, { attempt: 200, concurrency: 1 });
    await enqueue(service, { to: 'slow@example.com' });
    await until(() => inbox.recipients.length);
    await enqueue(service);
    await until(() => inbox.mails.length);
    expect((await rows())[0]!.last_error).toBe('Error: took too long');
  });

  it('gets to finish the mail in hand before the process ends', async () => {
    const inbox = await startMailServer({
      onRcptTo: (_address, _session, done) => void setTimeout(done, 300),
    });
    const service = await startService(inbox.port, { drain: 2000 });
    await service.init();
    await enqueue(service);
    await until(() => inbox.recipients.length);
    await service.close();
    expect(inbox.mails).toHaveLength(1);
    expect(await rows()).toEqual([]);
  });
});

describe('what people put into names and addresses', () => {
  it('adds no header', async () => {
    const inbox = await startMailServer();
    const service = await start(inbox.port);
    await enqueue(service, { subject: 'Hello Ann\r\nBcc: eve@example.com\r\n\r\nBody\u2028' });
    await until(() => inbox.mails.length);
    expect(header(inbox.mails[0]!, 'Bcc')).toBeUndefined();
    expect(header(inbox.mails[0]!, 'Subject')).toContain('Hello Ann Bcc: eve@example.com Body');
    expect(inbox.recipients).toEqual(['ann@example.com']);
  });

  it('adds no recipient', async () => {
    const inbox = await startMailServer();
    const service = await start(inbox.port, { firstRetry: 60_000, longestRetry: 60_000 });
    await enqueue(service, { to: 'ann@example.com\r\nRCPT TO:<eve@example.com>' });
    await enqueue(service, { to: 'ann@example.com, eve@example.com' });
    await until(async () => (await rows()).every((row) => row.last_error));
    expect(inbox.recipients).toEqual([]);
    expect((await rows())[0]!.last_error).toBe('Error: the recipient is not one plain address');
  });
});

describe('the development mailbox', () => {
  let url: string;
  let service: TestingModule;

  beforeEach(async () => {
    service = await startService(null);
    const app = service.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), {
      logger: false,
    });
    await app.listen(0, '127.0.0.1');
    closers.push(() => app.close());
    url = `${await app.getUrl()}/dev/mailbox`;
    await fetch(url, { method: 'DELETE' });
  });

  const json = async (): Promise<Record<string, string>[]> => {
    const reply = await fetch(url, { headers: { accept: 'application/json' } });
    return ((await reply.json()) as { messages: Record<string, string>[] }).messages;
  };

  it('keeps what would have been mailed, newest first', async () => {
    await enqueue(service, { subject: 'First' });
    await until(async () => (await json()).length === 1);
    await enqueue(service, { subject: 'Second' });
    await until(async () => (await json()).length === 2);
    const messages = await json();
    expect(messages.map(({ subject }) => subject)).toEqual(['Second', 'First']);
    expect(messages[0]).toEqual({
      to: 'ann@example.com',
      subject: 'Second',
      text: 'In words',
      html: '<p>In HTML</p>',
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
  });

  it('shows them on a page without scripts, whatever they say', async () => {
    const evil = '"><script>alert(1)</script>';
    const text = `Go to http://localhost:8001/verify-email?token=a&b=c ${evil}`;
    await enqueue(service, { to: evil, subject: evil, text, html: evil });
    await until(async () => (await json()).length === 1);
    const reply = await fetch(url);
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(reply.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src/);
    const page = await reply.text();
    expect(page).not.toContain('<script');
    expect(page).toContain('<a href="http://localhost:8001/verify-email?token=a&amp;b=c">');
    expect(page).toMatch(/<iframe sandbox="[^"]*" title="[^"]*" srcdoc="[^"]*"><\/iframe>/);
    expect(page).not.toMatch(/sandbox="[^"]*allow-(scripts|same-origin)/);
  });

  it('keeps the newest 200', async () => {
    const sender = service.get(MailSender)['transport'];
    const signal = new AbortController().signal;
    const mail = { to: 'a@example.com', text: '', html: '' };
    for (let i = 0; i < 205; i++) await sender.send({ ...mail, subject: `${i}` }, { id: `${i}`, signal });
    const messages = await json();
    expect(messages).toHaveLength(200);
    expect(messages[0]!.subject).toBe('204');
  });

  it('can be emptied', async () => {
    await enqueue(service);
    await until(async () => (await json()).length === 1);
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(204);
    expect(await json()).toEqual([]);
    expect(await (await fetch(url)).text()).toContain('No mail yet.');
  });
});
