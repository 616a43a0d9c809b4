import fc from 'fast-check';
import { backupCodeHash, newBackupCodes, withDash } from './backup-codes';
import { BACKUP_ALPHABET, readMfaCode } from './mfa-code';

describe('what is typed as a code', () => {
  it.each([
    ['287082', '287082'],
    [' 287 082 ', '287082'],
    ['287-082', '287082'],
    ['000000', '000000'],
    ['287\u00a0082', '287082'],
  ])('%j is the code of an authenticator', (text, value) => {
    expect(readMfaCode(text)).toEqual({ method: 'totp', value });
  });

  it.each([
    ['7KQ2-M9XD', '7KQ2M9XD'],
    ['7kq2m9xd', '7KQ2M9XD'],
    [' 7KQ2 - M9XD', '7KQ2M9XD'],
    ['1234-5678', '12345678'],
    ['oilo-OILO', '01100110'],
  ])('%j is a backup code', (text, value) => {
    expect(readMfaCode(text)).toEqual({ method: 'backup_code', value });
  });

  it.each([
    '',
    '12345',
    '1234567',
    '123456789',
    '12345a',
    '٢٨٧٠٨٢',
    '２８７０８２',
    '28708²',
    '+28708',
    '2.8e10',
    '0x2870',
    'UUUU-UUUU',
    '7KQ2-M9XÄ',
    '7KQ2-M9Xı',
    '7KQ2_M9XD',
    '287082\u200b',
  ])('%j is neither', (text) => {
    expect(readMfaCode(text)).toBeNull();
  });

  it('is one of the two or nothing, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 64 }), (text) => {
        const code = readMfaCode(text);
        if (code) expect(code.value).toMatch(code.method === 'totp' ? /^[0-9]{6}$/ : backupCode);
      }),
    );
  });
});

const backupCode = new RegExp(`^[${BACKUP_ALPHABET}]{8}$`);

describe('backup codes', () => {
  it('are eight different ones of 40 bits, and are read as they are written', () => {
    expect(BACKUP_ALPHABET).toHaveLength(32);
    for (let i = 0; i < 50; i++) {
      const codes = newBackupCodes();
      expect(new Set(codes).size).toBe(8);
      for (const code of codes) {
        expect(code).toMatch(backupCode);
        expect(withDash(code)).toMatch(/^.{4}-.{4}$/);
        expect(readMfaCode(withDash(code).toLowerCase())).toEqual({ method: 'backup_code', value: code });
      }
    }
  });

  it('use every letter of their alphabet', () => {
    const seen = new Set(Array.from({ length: 60 }, newBackupCodes).flat().join(''));
    expect([...seen].sort().join('')).toBe(BACKUP_ALPHABET);
  });

  it('have hashes that need the secret of the same account', () => {
    const hash = backupCodeHash('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', '7KQ2M9XD');
    expect(hash).toHaveLength(32);
    expect(backupCodeHash('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', '7KQ2M9XD')).toEqual(hash);
    expect(backupCodeHash('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR', '7KQ2M9XD')).not.toEqual(hash);
    expect(backupCodeHash('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', '7KQ2M9XE')).not.toEqual(hash);
  });
});
