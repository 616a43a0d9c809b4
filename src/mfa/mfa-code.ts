import { SecondFactorMethod } from '../infra/events/event-types';

/** What somebody has typed, in the form in which it is compared. */
export interface MfaCode {
  method: SecondFactorMethod;
  value: string;
}

/**
 * Crockford's base32: no I, L, O or U. Whoever reads one of the first three off a paper means a digit.
 * https://www.crockford.com/base32.html
 */
export const BACKUP_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LOOKALIKES: Record<string, string> = { I: '1', L: '1', O: '0' };

/**
 * Six digits are a code of the authenticator, eight characters a backup code; spaces, dashes and letter case are the
 * writer's own. Digits are ASCII digits. Null for everything else.
 */
export function readMfaCode(text: string): MfaCode | null {
  const typed = text.replace(/[\s-]/g, '');
  if (/^[0-9]{6}$/.test(typed)) return { method: 'totp', value: typed };
  if (!/^[0-9A-Za-z]{8}$/.test(typed)) return null;
  const value = typed.toUpperCase().replace(/[ILO]/g, (letter) => LOOKALIKES[letter]!);
  return value.includes('U') ? null : { method: 'backup_code', value };
}
