import { eventually, TestService } from './app';
import { tokenIn } from './people';

/** Asks for a reset link, and takes the token out of the mail that comes. */
export async function askForReset(service: TestService, email: string): Promise<string> {
  return nextToken(service, email, /^Reset your password$/, () =>
    service.client().post('/v1/auth/password/reset-request', { email }).expect(200),
  );
}

/** As `askForReset`, for the link that verifies an address. */
export async function askForVerification(service: TestService, email: string): Promise<string> {
  return nextToken(service, email, /^Verify your e-mail address$/, () =>
    service.client().post('/v1/auth/email/resend', { email }).expect(202),
  );
}

async function nextToken(
  service: TestService,
  email: string,
  subject: RegExp,
  ask: () => PromiseLike<unknown>,
): Promise<string> {
  await mailsSent(service);
  const before = (await service.mails(email)).length;
  await ask();
  await mailsSent(service);
  const mails = await service.mails(email);
  expect(mails).toHaveLength(before + 1);
  expect(mails[0]!.subject).toMatch(subject);
  return tokenIn(mails[0]!);
}

/** Waits until the outbox is empty: whatever was to be mailed has been. */
export async function mailsSent(service: TestService): Promise<void> {
  await eventually(async () => {
    const [{ count }] = await service.db.query<[{ count: number }]>(
      `SELECT count(*)::int FROM mail_outbox WHERE failed_at IS NULL`,
    );
    return count === 0;
  }, 'an empty outbox');
}
