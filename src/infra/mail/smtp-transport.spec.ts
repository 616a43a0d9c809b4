import { AddressInfo } from 'node:net';
import { SMTPServer, SMTPServerOptions } from 'smtp-server';
import { loadConfig } from '../../config/config';
import { SmtpTransport } from './smtp-transport';

// For localhost, valid until 2120, known to these tests alone.
const CERTIFICATE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMn4004gwlt0sM1xx
cpkPMo6MSv7/uQRtzf7NhX6UEHKhRANCAAThKaFQ/xW6WOV1BJ1NrH7z88rqrvJ0
G62L7aFf9ustnds8OJ/I8F96t9EcinEu6B9axhyKjsc6htaKE4IbL6vJ
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBUDCB9qADAgECAgEBMAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCWxvY2FsaG9z
dDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDESMBAGA1UEAwwJ
bG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4SmhUP8VuljldQSd
Tax+8/PK6q7ydButi+2hX/brLZ3bPDifyPBferfRHIpxLugfWsYcio7HOobWihOC
Gy+ryaM3MDUwFAYDVR0RBA0wC4IJbG9jYWxob3N0MB0GA1UdDgQWBBQxXHofsULy
yhuMrVh/b18XbXL3OzAKBggqhkjOPQQDAgNJADBGAiEAs/opg303LmYXBWkBMPrg
wqYZa5kLDwT4sz28+GmhINoCIQDy+BalZ2zoY5myRyVuM6PF6ffu+G3l25D1gA89
L/CZ7A==
-----END CERTIFICATE-----`,
};

const message = { to: 'ann@example.com', subject: 'Hello', text: 'Hi', html: '<p>Hi</p>' };
const delivery = { id: 'one', signal: new AbortController().signal };
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A mail server on a free port, and how many mails and which secrets it has got. */
async function startServer(options: SMTPServerOptions): Promise<{ port: number; got: string[] }> {
  const got: string[] = [];
  const server = new SMTPServer({
    logger: false,
    ...CERTIFICATE,
    authOptional: true,
    onAuth: ({ username, password }, session, done) => {
      got.push(`${username}:${password}${session.secure ? ' over TLS' : ''}`);
      done(null, { user: username });
    },
    onData: (stream, session, done) => {
      stream.resume().on('end', () => {
        got.push(`mail${session.secure ? ' over TLS' : ''}`);
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {}); // The clients that hang up on a certificate.
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  closers.push(() => new Promise((closed) => server.close(closed)));
  return { port: (server.server.address() as AddressInfo).port, got };
}

function transportTo(port: number, env: Record<string, string>, trust = true): SmtpTransport {
  const config = loadConfig({ SMTP_HOST: 'localhost', SMTP_PORT: String(port), ...env });
  const transport = new SmtpTransport(config, trust ? { tls: { ca: CERTIFICATE.cert } } : {});
  closers.unshift(() => transport.close());
  return transport;
}

const credentials = { SMTP_USERNAME: 'service', SMTP_PASSWORD: 'pass' };

describe('SmtpTransport', () => {
  it('signs in and sends over STARTTLS', async () => {
    const { port, got } = await startServer({});
    await transportTo(port, credentials).send(message, delivery);
    expect(got).toEqual(['service:pass over TLS', 'mail over TLS']);
  });

  it('sends nothing, credentials least of all, to a server without TLS', async () => {
    const { port, got } = await startServer({ disabledCommands: ['STARTTLS'], allowInsecureAuth: true });
    await expect(transportTo(port, credentials).send(message, delivery)).rejects.toThrow('STARTTLS');
    expect(got).toEqual([]);
  });

  it('sends nothing to a server whose certificate nobody vouches for', async () => {
    const { port, got } = await startServer({});
    await expect(transportTo(port, credentials, false).send(message, delivery)).rejects.toThrow(
      'self-signed certificate',
    );
    expect(got).toEqual([]);
  });

  it('does without TLS where SMTP_TLS is false', async () => {
    const { port, got } = await startServer({ disabledCommands: ['STARTTLS'] });
    await transportTo(port, { SMTP_TLS: 'false' }).send(message, delivery);
    expect(got).toEqual(['mail']);
  });

  it('gives up at once when its signal fires', async () => {
    const { port } = await startServer({ onConnect: () => {} }); // Never greets.
    const transport = transportTo(port, {});
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    const started = performance.now();
    await expect(transport.send(message, { id: 'one', signal: abort.signal })).rejects.toThrow('aborted');
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it.each([
    'ann@example.com\r\nBcc: eve@example.com',
    'ann@example.com, eve@example.com',
    'ann@example.com> SIZE=1',
    'Ann <ann@example.com>',
    '"ann eve"@example.com',
    'ann@@example.com',
    'ann@example.com\0',
    'ann',
    '',
  ])('refuses the recipient %j', async (to) => {
    const { port, got } = await startServer({});
    await expect(transportTo(port, {}).send({ ...message, to }, delivery)).rejects.toThrow('plain address');
    expect(got).toEqual([]);
  });
});
