import type { OpenAPIObject } from '@nestjs/swagger';
import { startService, TestService } from '../support/app';
import { newPerson, signIn, tokenIn } from '../support/people';

describe('An address in another script', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it.each(['आशा.राव@example.org', 'jörg@bücher.example.org', '用户@例子.广告'])(
    'signs up, is verified and signs in, with replies as documented: %s',
    async (email) => {
      const person = { ...newPerson(), email };
      const { body } = await service.client().post('/v1/auth/register', person).expect(201);
      expect(body.email).toBe(email);
      const token = tokenIn(await service.mailTo(email, /verify/i));
      await service.client().post('/v1/auth/email/verify', { token }).expect(200);
      const { accessToken } = await signIn(service, person);
      const me = await service.client().get('/v1/users/me', accessToken).expect(200);
      expect(me.body).toMatchObject({ email, email_verified: true });
    },
  );

  it('is of the format that the document names everywhere', async () => {
    const { body } = await service.client().get('/openapi.json').expect(200);
    const text = JSON.stringify((body as OpenAPIObject).components);
    expect(text).toContain('"format":"idn-email"');
    expect(text).not.toContain('"format":"email"');
  });
});
