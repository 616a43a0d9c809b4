import { stepAt, totpCode } from '../../src/mfa/totp';
import { TestService } from './app';
import { SignedIn } from './people';

/** Turns the second factor on. @returns the secret, in base32; the code of the present time step is used up. */
export async function turnOnTotp(service: TestService, { accessToken }: SignedIn): Promise<string> {
  const { body } = await service.client().post('/v1/mfa/totp/setup', {}, accessToken).expect(200);
  const secret = body.secret as string;
  const code = totpCode(secret, stepAt(Date.now()));
  await service.client().post('/v1/mfa/totp/enable', { code }, accessToken).expect(200);
  return secret;
}

/** A verification token, for one sensitive call; with the code of the time step after this one, which counts too. */
export async function proveTotp(
  service: TestService,
  { accessToken }: SignedIn,
  secret: string,
): Promise<string> {
  const code = totpCode(secret, stepAt(Date.now()) + 1);
  const { body } = await service.client().post('/v1/mfa/totp/verify', { code }, accessToken).expect(200);
  return body.verification_token;
}
