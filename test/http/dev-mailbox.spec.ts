import request from 'supertest';
import { startService, TestService } from '../support/app';
import { register } from '../support/people';

describe('the development mailbox', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const ask = (host: string) =>
    request(service.url).get('/dev/mailbox').set('Host', host).set('Accept', 'application/json');

  it.each(['localhost:8001', '127.0.0.1', '[::1]:8001', 'id.test'])(
    'answers to its own name %s',
    async (host) => {
      const { email } = await register(service);
      await service.mailTo(email);
      const { body } = await ask(host).expect(200);
      expect(body.messages.map(({ to }: { to: string }) => to)).toContain(email);
    },
  );

  it.each(['evil.example', 'localhost.evil.example:8001', 'id.test.evil.example'])(
    'shows nothing to a page that reaches it as %s',
    async (host) => {
      const { body } = await ask(host).expect(404);
      expect(body.code).toBe('not_found');
      await request(service.url).delete('/dev/mailbox').set('Host', host).expect(404);
    },
  );

  it('is not there where mail goes to a mail server', async () => {
    const withServer = await service.another({ SMTP_HOST: '127.0.0.1', SMTP_PORT: '9' });
    await request(withServer.url).get('/dev/mailbox').expect(404);
    await withServer.stop();
  });
});
