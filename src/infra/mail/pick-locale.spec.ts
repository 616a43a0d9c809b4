import { pickLocale } from './pick-locale';

const texts = { en: 'Hello', de: 'Hallo', 'pt-BR': 'Olá' };

describe('pickLocale', () => {
  it.each([
    ['en-US', 'Hello'],
    ['de', 'Hallo'],
    ['de-AT', 'Hallo'],
    ['DE-Latn-at-x-private', 'Hallo'],
    ['pt_br', 'Olá'],
    ['pt-BR', 'Olá'],
    ['pt', 'Hello'],
    ['fr-FR', 'Hello'],
    ['', 'Hello'],
    ['constructor', 'Hello'],
    ['__proto__', 'Hello'],
  ])('%s gets %s', (locale, text) => {
    expect(pickLocale(locale, texts)).toBe(text);
  });
});
