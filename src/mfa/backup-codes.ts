import { createHmac, randomInt } from 'node:crypto';
import { BACKUP_ALPHABET } from './mfa-code';

export const BACKUP_CODES = 8;
const LENGTH = 8;

/** Eight different codes of 40 bits each, without their dash. */
export function newBackupCodes(): string[] {
  const codes = new Set<string>();
  while (codes.size < BACKUP_CODES) codes.add(newCode());
  return [...codes];
}

const newCode = (): string =>
  Array.from({ length: LENGTH }, () => BACKUP_ALPHABET[randomInt(BACKUP_ALPHABET.length)]).join('');

/** As people read it. */
export const withDash = (code: string): string => `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;

/**
 * What is stored of a backup code. Forty bits are soon tried, however slow the hash, so it is keyed: with the TOTP
 * secret, which the tables hold under the master key alone and which lives and dies with the codes. Whoever has the
 * tables can't test a guess; whoever has the secret too needs no backup code.
 */
export function backupCodeHash(totpSecret: string, code: string): Buffer {
  return createHmac('sha256', totpSecret).update(`backup code\0${code}`).digest();
}
