import { brokenRules } from './password-policy';

const OWNER = { email: 'asha.rao@example.com', name: 'Asha Rao-Kulkarni' };
const rules = (password: string): string[] => brokenRules(password, OWNER, 12);

describe('brokenRules', () => {
  it.each(['Ganga-Sunrise-42!', 'Пароль-Длинный-42', 'Ganga Sunrise 42', `Aa1!${'x'.repeat(68)}`])(
    'finds nothing wrong with %s',
    (password) => expect(rules(password)).toEqual([]),
  );

  it.each([
    ['Short-1a', 'must have at least 12 characters'],
    [`Aa1!${'x'.repeat(69)}`, 'must have at most 72 bytes in UTF-8'],
    [`Aa1!${'ü'.repeat(35)}`, 'must have at most 72 bytes in UTF-8'],
    ['Ganga-Sunrise-42!\0', 'must not contain NUL'],
    ['ganga-sunrise-42!', 'must contain an upper-case letter'],
    ['GANGA-SUNRISE-42!', 'must contain a lower-case letter'],
    ['Ganga-Sunrise-xx!', 'must contain a digit'],
    ['GangaSunrise42xx', 'must contain a special character'],
    ['Xx-ASHA.RAO-4242', 'must not contain your name or e-mail address'],
    ['Xx-kulkarni-4242', 'must not contain your name or e-mail address'],
  ])('finds what is wrong with %j alone', (password, rule) => expect(rules(password)).toEqual([rule]));

  it('counts characters, not code units', () => {
    expect(rules(`Aa1!${'😀'.repeat(7)}`)).toEqual(['must have at least 12 characters']);
    expect(rules(`Aa1!${'😀'.repeat(8)}`)).toEqual([]);
  });

  it('finds everything at once', () => {
    expect(rules('')).toHaveLength(5);
  });

  it('leaves short words of a name alone', () => {
    expect(rules('Rao-Sunrise-4242')).toEqual([]);
  });
});
