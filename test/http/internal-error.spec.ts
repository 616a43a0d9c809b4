import request from 'supertest';
import { startService, TestService } from '../support/app';
import { newPerson } from '../support/people';
import { refuseWrites } from '../support/refused-writes';
import { noteReply } from '../support/seen-replies';

describe('a mistake of ours', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
    await refuseWrites(service.db, { table: 'events', of: 'INSERT', message: 'inner details' });
  });
  afterAll(() => service.stop());

  it('is a problem that tells nothing of its cause, and leaves nothing behind', async () => {
    // Not through `client()`: that takes no reply which the document does not list.
    const { status, body, headers, text } = await request(service.url)
      .post('/v1/auth/register')
      .send(newPerson());
    expect(status).toBe(500);
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      detail: 'Something went wrong on our side.',
      code: 'internal_error',
      request_id: headers['x-request-id'],
    });
    expect(text).not.toMatch(/inner details|events|trigger|stack/i);
    noteReply('POST /v1/auth/register', status, body.code);
    const [{ users, mails }] = await service.db.query(
      `SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM mail_outbox) AS mails`,
    );
    expect({ users, mails }).toEqual({ users: 0, mails: 0 });
  });
});
