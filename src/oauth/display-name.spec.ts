import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { IsName } from '../identities/profile-fields.decorators';
import { displayName } from './display-name';

class Named {
  @IsName()
  name!: string;
}

const isName = (name: string): boolean => validateSync(Object.assign(new Named(), { name })).length === 0;

describe('displayName', () => {
  it.each([
    ['Åsa Räv', 'Åsa Räv'],
    ['  Asha   Rao ', 'Asha Rao'],
    ['Asha\r\nRao\t', 'Asha Rao'],
    ['A\u200bs\u202eh\ufeffa\0', 'Asha'],
    ['आशा राव', 'आशा राव'],
    ['\ud800Asha\udfff', 'Asha'],
    ['x'.repeat(300), 'x'.repeat(255)],
    [`${'x'.repeat(254)}😀`, 'x'.repeat(254)],
    ['', 'asha.rao'],
    [' \n\u200b ', 'asha.rao'],
    [undefined, 'asha.rao'],
  ])('makes %j %j', (name, expected) => {
    expect(displayName(name, 'asha.rao@example.org')).toBe(expected);
  });

  it('always follows the rules of names', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (name) =>
        isName(displayName(name, 'asha@example.org')),
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 }), (units) =>
        isName(displayName(String.fromCharCode(...units), 'asha@example.org')),
      ),
    );
  });

  it('leaves a name that follows them as it is', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-zÀ-ž]{1,40}( [A-Za-zÀ-ž]{1,40}){0,3}$/), (name) => {
        expect(displayName(name, 'asha@example.org')).toBe(name);
      }),
    );
  });
});
