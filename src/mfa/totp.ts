import { generateSecret, generateSync } from 'otplib';
import { timingSafeEqual } from 'node:crypto';

/** RFC 6238 section 4.1; what every authenticator application assumes. */
const STEP_MS = 30_000;
/** Steps before and after the present one: clocks differ, and typing takes time (RFC 6238 section 5.2). */
const TOLERANCE = 1;

/** 160 bits, the length of the HMAC (RFC 4226 section 4, R6), in base32. */
export const newTotpSecret = (): string => generateSecret({ length: 20 });

/** The number of the time step that a moment falls into. @param at milliseconds since the Unix epoch. */
export const stepAt = (at: number): number => Math.floor(at / STEP_MS);

/** RFC 6238 with SHA-1. @param secret in base32. */
export function totpCode(secret: string, step: number, digits: 6 | 8 = 6): string {
  return generateSync({ secret, epoch: (step * STEP_MS) / 1000, period: STEP_MS / 1000, digits });
}

/**
 * The newest time step around `now` that has this code; null where none has. Always makes and compares every code, so
 * that the time tells nothing.
 * @param code six digits.
 */
export function matchingStep(secret: string, code: string, now: number): number | null {
  let match: number | null = null;
  for (let step = stepAt(now) - TOLERANCE; step <= stepAt(now) + TOLERANCE; step++) {
    if (timingSafeEqual(Buffer.from(totpCode(secret, step)), Buffer.from(code))) match = step;
  }
  return match;
}

/** What an authenticator reads from the picture (Key URI format of Google Authenticator). */
export function provisioningUri(
  secret: string,
  { issuer, account }: { issuer: string; account: string },
): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`;
  return `otpauth://totp/${label}?secret=${secret}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=6&period=${STEP_MS / 1000}`;
}
