import { normaliseEmail } from './email-address';

describe('normaliseEmail', () => {
  it.each([
    ['asha@example.com', 'asha@example.com'],
    ['  Asha.Rao+Tag@Example.COM \n', 'asha.rao+tag@example.com'],
    ['jürgen@example.de', 'jürgen@example.de'],
  ])('takes %j', (text, address) => expect(normaliseEmail(text)).toBe(address));

  it.each([
    [''],
    ['asha'],
    ['asha@'],
    ['@example.com'],
    ['asha@localhost'],
    ['a@b@example.com'],
    ['asha @example.com'],
    ['asha@example.com\0'],
    ['as\0ha@example.com'],
    ['asha@example.com\r\nBcc: x@example.org'],
    ['\ud800@example.com'],
    ['as\u200bha@example.com'],
    ['as\u202eha@example.com'],
    // Compatibility characters look like others: fullwidth letters, a ligature.
    ['ａsha@example.com'],
    ['ﬁ@example.com'],
    [`${'a'.repeat(250)}@example.com`],
    [null],
    [1],
    [{}],
    [['asha@example.com']],
  ])('refuses %j', (text) => expect(normaliseEmail(text)).toBeNull());
});
