import { STATUS_CODES } from 'node:http';
import type { Response, Test } from 'supertest';

/** Sends the request, and checks that the whole answer is this problem (RFC 9457). */
export async function expectProblem(test: Test, status: number, code: string): Promise<Response> {
  const response = await test;
  const { body, headers } = response;
  expect([response.status, body.code]).toEqual([status, code]);
  expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
  const { errors, ...problem } = body;
  expect(problem).toEqual({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    detail: expect.any(String),
    code,
    request_id: headers['x-request-id'],
  });
  expect(errors !== undefined).toBe(status === 422);
  expect(headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
  if (status === 429 || status === 503) expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
  return response;
}

/** As `expectProblem` for a body that breaks the rules: the fields at fault, in order, each once. */
export async function expectInvalid(test: Test, ...fields: string[]): Promise<void> {
  const { body } = await expectProblem(test, 422, 'validation_failed');
  expect([...new Set((body.errors as { field: string }[]).map((error) => error.field))]).toEqual(fields);
}
