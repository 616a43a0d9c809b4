import { masked } from './masked';

describe('masked', () => {
  it.each([
    ['abcdefghijkl9f3k', '••••••••••••9f3k'],
    ['0123456789ab', '••••••••••••9ab'],
    ['01234567', '••••••••••••67'],
    ['0123', '••••••••••••3'],
    ['012', '••••••••••••'],
    ['', '••••••••••••'],
    ['x'.repeat(500) + 'last', '••••••••••••last'],
  ])('shows of %j at most the last four characters, and at most a quarter', (apiKey, shown) => {
    expect(masked(apiKey)).toBe(shown);
  });
});
