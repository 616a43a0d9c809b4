import type { OpenAPIObject } from '@nestjs/swagger';
import { startService, TestService } from '../support/app';
import { newAdministrator } from '../support/people';
import { expectProblem } from '../support/problem';

interface Documented {
  requestBody?: object;
  responses: Record<string, unknown>;
}

describe('Operations that read no body', () => {
  let service: TestService;
  let paths: string[];
  beforeAll(async () => {
    service = await startService();
    const { body } = await service.client().get('/openapi.json').expect(200);
    paths = Object.entries((body as OpenAPIObject).paths)
      .map(([path, methods]) => [path, (methods as { post?: Documented }).post] as const)
      .filter(([, post]) => post && !post.requestBody && '422' in post.responses)
      .map(([path]) => path);
  });
  afterAll(() => service.stop());

  it('refuse one that is no object, as every other does', async () => {
    const { accessToken, userId } = await newAdministrator(service);
    expect(paths).toContain('/v1/mfa/totp/setup');
    for (const path of paths) {
      const url = path.replace('{user_id}', userId);
      await expectProblem(service.client().post(url, [], accessToken), 422, 'validation_failed');
    }
  });

  it('tell probes how the service is', async () => {
    for (const path of ['/health', '/health/ready', '/health/live']) {
      const { body } = await service.client().get(path).expect(200);
      expect(body.status).toBe('ok');
    }
  });
});
