/** What every `MailTransport` owes the outbox, wherever it takes the mails. */
import type { MailMessage, MailTransport } from '../../src/infra/mail/mail';

export interface ReceivedMail extends Omit<MailMessage, 'to'> {
  /** Everybody the mail was brought to. */
  recipients: string[];
}

export interface MailRoute {
  transport: MailTransport;
  /** What came out at the other end, newest first. */
  received(): Promise<ReceivedMail[]>;
  stop(): Promise<void>;
}

const PLAIN: MailMessage = {
  to: 'asha@example.com',
  subject: 'Hello',
  text: 'In words',
  html: '<p>In HTML</p>',
};

export function describeMailTransport(name: string, open: () => Promise<MailRoute>): void {
  describe(`${name} as a MailTransport`, () => {
    let route: MailRoute;
    let sent = 0;
    beforeEach(async () => {
      route = await open();
    });
    afterEach(() => route.stop());

    const send = (mail: Partial<MailMessage>): Promise<void> =>
      route.transport.send(
        { ...PLAIN, ...mail },
        { id: `mail-${++sent}`, signal: AbortSignal.timeout(10_000) },
      );
    const arrived = ({ to, ...rest }: MailMessage): ReceivedMail => ({ ...rest, recipients: [to] });

    it.each<[string, Partial<MailMessage>]>([
      ['a plain mail', {}],
      ['an address outside ASCII', { to: 'jürgen@example.de' }],
      ['scripts and pictures', { subject: 'नमस्ते आशा 🌅', text: '₹ 1,000 – 陳大文', html: '<p>₹ “Ā” 🌅</p>' }],
      ['a subject longer than a line', { subject: 'Your account, आशा: '.repeat(12).trim() }],
      ['a subject with signs of encodings', { subject: 'आ = _ ? =20 %C3' }],
      [
        'lines that look like the end',
        { text: 'one\n.\n..two\nFrom here\n\n--\nthree', html: '.\n<b>.</b>' },
      ],
      ['lines without an end', { text: 'x'.repeat(5000), html: `<p>${'अ'.repeat(3000)}</p>` }],
      ['a link', { text: 'https://id.example.org/reset-password?token=3D_-a%20b=&lang=en#=20' }],
      ['blanks at the ends of lines', { text: 'one \ntwo\t\nthree' }],
    ])('brings %s whole', async (_what, mail) => {
      await send(mail);
      expect(await route.received()).toEqual([arrived({ ...PLAIN, ...mail })]);
    });

    it('brings each of several mails to its own recipient', async () => {
      const mails = Array.from({ length: 12 }, (_, i) => ({
        ...PLAIN,
        to: `person-${i}@example.com`,
        text: `For ${i}`,
      }));
      await Promise.all(mails.map(send));
      const byRecipient = (a: ReceivedMail, b: ReceivedMail): number =>
        a.recipients.join().localeCompare(b.recipients.join());
      expect((await route.received()).sort(byRecipient)).toEqual(mails.map(arrived).sort(byRecipient));
    });

    it('has brought a mail when it says so', async () => {
      for (const subject of ['First', 'Second', 'Third']) {
        await send({ subject });
        expect((await route.received())[0]!.subject).toBe(subject);
      }
      expect((await route.received()).map(({ subject }) => subject)).toEqual(['Third', 'Second', 'First']);
    });

    it('lets a subject add neither recipients nor words', async () => {
      await send({ subject: 'Hello\r\nBcc: eve@example.com\r\n\r\nClick here' });
      const [{ subject, ...rest }, ...more] = (await route.received()) as [ReceivedMail];
      expect(more).toEqual([]);
      expect(subject).toMatch(/^Hello\s+Bcc: eve@example.com\s+Click here$/);
      const { text, html, to } = PLAIN;
      expect(rest).toEqual({ text, html, recipients: [to] });
    });
  });
}
