import { codeOf } from '../../test/support/authenticator';
import { matchingStep, newTotpSecret, provisioningUri, stepAt, totpCode } from './totp';

/** "12345678901234567890" in base32, RFC 6238 appendix B. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

const VECTORS: [second: number, code: string][] = [
  [59, '94287082'],
  [1111111109, '07081804'],
  [1111111111, '14050471'],
  [1234567890, '89005924'],
  [2000000000, '69279037'],
  [20000000000, '65353130'],
];

describe('TOTP', () => {
  it.each(VECTORS)('has the code of RFC 6238 appendix B at second %d: %s', (second, code) => {
    const step = stepAt(second * 1000);
    expect(totpCode(SECRET, step, 8)).toBe(code);
    // The last six digits of the same number.
    expect(totpCode(SECRET, step)).toBe(code.slice(2));
    expect(codeOf(SECRET, second * 1000, 8)).toBe(code);
  });

  it('has the codes of another implementation, for random secrets', () => {
    for (let i = 0; i < 50; i++) {
      const secret = newTotpSecret();
      const at = i * 40_000_003;
      expect(totpCode(secret, stepAt(at))).toBe(codeOf(secret, at));
    }
  });

  it('makes secrets of 160 bits, each another', () => {
    const secrets = Array.from({ length: 100 }, newTotpSecret);
    for (const secret of secrets) expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(new Set(secrets).size).toBe(100);
  });

  it('begins a step every 30 seconds', () => {
    expect([0, 29_999, 30_000, 59_999, 60_000].map(stepAt)).toEqual([0, 0, 1, 1, 2]);
  });

  it('accepts the code of the present step, of the one before and of the one after, and no other', () => {
    const now = 1_700_000_000_000;
    const matches = [-3, -2, -1, 0, 1, 2, 3].map((steps) =>
      matchingStep(SECRET, codeOf(SECRET, now + steps * 30_000), now),
    );
    const step = stepAt(now);
    expect(matches).toEqual([null, null, step - 1, step, step + 1, null, null]);
  });

  it('matches nothing but the code', () => {
    const now = 1_700_000_000_000;
    const right = [-1, 0, 1].map((steps) => codeOf(SECRET, now + steps * 30_000));
    const wrong = Array.from({ length: 1000 }, (_, i) => String(i * 997).padStart(6, '0'));
    for (const code of wrong.filter((one) => !right.includes(one)))
      expect(matchingStep(SECRET, code, now)).toBeNull();
  });
});

describe('the provisioning URI', () => {
  it('names issuer, account, secret and the parameters', () => {
    expect(provisioningUri(SECRET, { issuer: 'user_service', account: 'asha@example.com' })).toBe(
      `otpauth://totp/user_service:asha%40example.com?secret=${SECRET}&issuer=user_service&algorithm=SHA1&digits=6&period=30`,
    );
  });

  it('keeps what people call themselves out of its own syntax', () => {
    const account = 'a+b&secret=x?#/:%@example.org';
    const issuer = 'Straße & Söhne: №1';
    const uri = new URL(provisioningUri(SECRET, { issuer, account }));
    expect(decodeURIComponent(uri.pathname)).toBe(`/${issuer}:${account}`);
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      secret: SECRET,
      issuer,
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
    expect(uri.hash).toBe('');
  });
});
