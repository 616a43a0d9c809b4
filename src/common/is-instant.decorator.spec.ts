import { validateSync } from 'class-validator';
import * as fc from 'fast-check';
import { IsInstant, parseInstant } from './is-instant.decorator';

class Body {
  @IsInstant()
  at!: unknown;
}

const accepts = (at: unknown): boolean => validateSync(Object.assign(new Body(), { at })).length === 0;

describe('a moment', () => {
  it.each([
    ['2026-11-22T09:30:00Z', '2026-11-22T09:30:00.000Z'],
    ['2026-11-22t09:30:00z', '2026-11-22T09:30:00.000Z'],
    ['2026-11-22T09:30:00.123456789Z', '2026-11-22T09:30:00.123Z'],
    ['2026-11-22T09:30:00+05:30', '2026-11-22T04:00:00.000Z'],
    ['2026-11-22T23:59:59-00:00', '2026-11-22T23:59:59.000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
  ])('is %s', (text, moment) => {
    expect(accepts(text)).toBe(true);
    expect(parseInstant(text)?.toISOString()).toBe(moment);
  });

  it.each([
    '',
    '2026-11-22',
    '2026-11-22T09:30:00',
    '2026-11-22 09:30:00Z',
    '2026-11-22T09:30Z',
    '2026-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22T09:60:00Z',
    '2016-12-31T23:59:60Z',
    '2026-11-22T09:30:00+24:00',
    '2026-11-22T09:30:00+0530',
    '2026-11-22T09:30:00.Z',
    '+12026-11-22T09:30:00Z',
    '2026-11-22T09:30:00Z\n',
    ' 2026-11-22T09:30:00Z',
    '9999-12-31T23:59:59-00:01',
    '0000-01-01T00:00:00+00:01',
    'tomorrow',
    1795339800000,
    null,
    undefined,
    new Date(0),
    ['2026-11-22T09:30:00Z'],
  ])('is not %j', (value) => expect(accepts(value)).toBe(false));

  it('is read back as it was written, and nothing else is one', () => {
    const years = { min: new Date('0000-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z') };
    fc.assert(
      fc.property(fc.date({ ...years, noInvalidDate: true }), (date) => {
        expect(parseInstant(date.toISOString())).toEqual(date);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => !accepts(text)));
  });
});
