import { createHmac } from 'node:crypto';
import { Clock } from '../../src/common/clock';
import { TestService } from './app';
import { newSignedIn, Person, SignedIn } from './people';

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP_MS = 30_000;

/** What an authenticator shows, RFC 6238 written anew: the service has it from a library. */
export function codeOf(secret: string, at: number, digits = 6): string {
  const bits = [...secret].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / STEP_MS)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const number = mac.readUInt32BE(mac[19]! & 15) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/** A phone with the secret, and the service's idea of the time. */
export class Authenticator {
  constructor(
    private readonly service: TestService,
    readonly secret: string,
  ) {}

  /** The code of now, or of so many steps later. */
  code(steps = 0): string {
    return codeOf(this.secret, this.service.app.get(Clock).now() + steps * STEP_MS);
  }

  /** Waits, on the service's clock, until a code is due that was never used. */
  nextCode(): string {
    this.service.advance(2 * STEP_MS);
    return this.code();
  }

  /** Moves the service's clock to the beginning of the next step, so that none ends in the middle of a test. */
  beginStep(): void {
    this.service.advance(STEP_MS - (this.service.app.get(Clock).now() % STEP_MS));
  }

  /** Six digits that are none of the codes around now. */
  wrongCode(): string {
    const right = [-2, -1, 0, 1, 2].map((steps) => this.code(steps));
    return ['000000', '111111', '222222', '333333', '444444', '555555'].find(
      (code) => !right.includes(code),
    )!;
  }
}

/** Sets an authenticator up; nothing is on yet. */
export async function setUpTotp(service: TestService, { accessToken }: SignedIn): Promise<Authenticator> {
  const { body } = await service.client().post('/v1/mfa/totp/setup', {}, accessToken).expect(200);
  return new Authenticator(service, body.secret);
}

interface Enabled {
  phone: Authenticator;
  /** The code that has turned it on. */
  used: string;
  backupCodes: string[];
}

/** Turns the second factor on. */
export async function enableTotp(service: TestService, member: SignedIn): Promise<Enabled> {
  const phone = await setUpTotp(service, member);
  const used = phone.code();
  const { body } = await service
    .client()
    .post('/v1/mfa/totp/enable', { code: used }, member.accessToken)
    .expect(200);
  return { phone, used, backupCodes: body.backup_codes };
}

/** Somebody new with the second factor on. */
export async function newGuarded(service: TestService): Promise<Enabled & { member: SignedIn }> {
  const member = await newSignedIn(service);
  return { member, ...(await enableTotp(service, member)) };
}

/** Proves the password, and answers the `mfa_token` for the second factor. */
export async function beginSignIn(
  service: TestService,
  { email, password }: Person,
  more: object = {},
): Promise<string> {
  const { body } = await service
    .client()
    .post('/v1/auth/login', { email, password, token_delivery: 'body', ...more })
    .expect(200);
  expect(body.status).toBe('mfa_required');
  return body.mfa_token;
}

/** Signs in with both factors; moves the clock where the present code was used. */
export async function signInGuarded(
  service: TestService,
  person: Person,
  phone: Authenticator,
): Promise<SignedIn> {
  const mfa_token = await beginSignIn(service, person);
  const { body } = await service
    .client()
    .post('/v1/auth/mfa/verify', { mfa_token, code: phone.nextCode() })
    .expect(200);
  return {
    person,
    userId: body.user.user_id,
    sessionId: body.session_id,
    accessToken: body.access_token,
    refreshToken: body.refresh_token,
  };
}
