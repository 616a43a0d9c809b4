import type { OpenAPIObject } from '@nestjs/swagger';
import { newId } from '../../src/common/ids';
import { startService, TestService } from '../support/app';
import { newAdministrator } from '../support/people';
import { expectProblem } from '../support/problem';

interface Documented {
  requestBody?: object;
  responses: Record<string, unknown>;
}

interface Operation {
  method: 'post' | 'delete';
  url: string;
}

describe('Operations that read no body', () => {
  let service: TestService;
  let operations: Operation[];
  beforeAll(async () => {
    service = await startService();
    const { body } = await service.client().get('/openapi.json').expect(200);
    operations = Object.entries((body as OpenAPIObject).paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, Documented>)
        .filter(([method, { requestBody }]) => method !== 'get' && !requestBody)
        .map(([method]) => ({
          method: method as Operation['method'],
          url: path.replace(/\{\w+\}/g, newId()),
        })),
    );
  });
  afterAll(() => service.stop());

  it('refuse one that is broken, no object, too large or no JSON, as every other does', async () => {
    const { accessToken } = await newAdministrator(service);
    expect(operations.map(({ url }) => url)).toContain('/v1/mfa/totp/setup');
    expect(operations.filter(({ method }) => method === 'delete').length).toBeGreaterThanOrEqual(7);
    for (const { method, url } of operations) {
      const send = (body: string, type = 'application/json') => {
        const client = service.client();
        const test =
          method === 'delete' ? client.delete(url, accessToken) : client.post(url, undefined, accessToken);
        return test.set('Content-Type', type).send(body);
      };
      await expectProblem(send('{'), 400, 'malformed_request');
      await expectProblem(send('[]'), 422, 'validation_failed');
      await expectProblem(send(`{"a":"${'x'.repeat(70_000)}"}`), 413, 'payload_too_large');
      await expectProblem(send('a=1', 'application/x-www-form-urlencoded'), 415, 'unsupported_media_type');
    }
  });

  it('tell probes how the service is', async () => {
    for (const path of ['/health', '/health/ready', '/health/live']) {
      const { body } = await service.client().get(path).expect(200);
      expect(body.status).toBe('ok');
    }
  });
});
