import { AppError } from './app-error';
import { readEnd } from './read-end';

const NOW = Date.parse('2026-11-22T09:30:00Z');
const DAY = 86_400_000;
const at = (ms: number): string => new Date(ms).toISOString();

describe('an end', () => {
  it.each([null, undefined])('is none where none is given: %s', (text) => {
    expect(readEnd(text, { now: NOW })).toBeNull();
  });

  it.each(['', ' ', 'never', '2027-02-30T00:00:00Z', '2027-01-01', '9999-12-31T23:59:59-23:59', 'null'])(
    'that cannot be read is refused, never taken for none: %j',
    (text) => {
      expect(() => readEnd(text, { now: NOW })).toThrow(AppError);
      expect(() => readEnd(text, { now: NOW, mostYears: 10 })).toThrow(AppError);
    },
  );

  it('lies after this moment', () => {
    expect(() => readEnd(at(NOW), { now: NOW })).toThrow(AppError);
    expect(readEnd(at(NOW + 1), { now: NOW })).toEqual(new Date(NOW + 1));
  });

  it('lies within the bound, where there is one', () => {
    const most = NOW + 2 * 366 * DAY;
    expect(readEnd(at(most), { now: NOW, mostYears: 2 })).toEqual(new Date(most));
    expect(() => readEnd(at(most + 1), { now: NOW, mostYears: 2 })).toThrow(AppError);
    expect(readEnd('9999-12-31T23:59:59Z', { now: NOW })).not.toBeNull();
  });
});
