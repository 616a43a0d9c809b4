import * as fc from 'fast-check';
import { accountWords, mailWords } from './mail-words';

describe('the words of others in a mail', () => {
  it.each([
    ['Asha Rao', 'Asha Rao'],
    ['  Asha \t Rao\r\n', 'Asha Rao'],
    ['J. R. Rao', 'J. R. Rao'],
    ['ಆಶಾ ✓', 'ಆಶಾ ✓'],
    ['Click https://evil.example/x?a', 'Click https: / / evil. example/ x?a'],
    ['me@evil.example', 'me@ evil. example'],
    ['a\u202Eb\u0000c', 'a b c'],
    ['evil．example evil。example evil｡example', 'evil. example evil。 example evil。 example'],
    ['https：／／evil․example', 'https: / / evil. example'],
    ['me＠evil', 'me@ evil'],
    ['x'.repeat(65), `${'x'.repeat(63)}…`],
    ['🙂'.repeat(65), `${'🙂'.repeat(63)}…`],
  ])('%j become %j', (text, words) => {
    expect(mailWords(text)).toBe(words);
  });

  it('are one short line without anything that a mail program would link, whatever they were', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const words = mailWords(text);
        expect(words).not.toMatch(/[\p{C}\u2028\u2029]|[.。:/@][^ ]/u);
        expect([...words].length).toBeLessThanOrEqual(128);
      }),
    );
  });

  it('name an account by its nickname, where it has one', () => {
    expect(accountWords({ nickname: null, broker: 'kite' })).toBe('an account at kite');
    expect(accountWords({ nickname: 'a.b', broker: 'kite' })).toBe('the account “a. b” at kite');
  });
});
