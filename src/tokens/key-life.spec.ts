import { keyStatus, KeyTimes } from './key-life';

const LIFE = 1_000;
const key = (kid: string, activates: number, more: Partial<KeyTimes> = {}): KeyTimes => ({
  kid,
  use: 'access',
  activatesAt: new Date(activates),
  revokedAt: null,
  ...more,
});

describe('keyStatus', () => {
  const [first, second, third] = [key('1', 10_000), key('2', 20_000), key('3', 30_000)];
  const all = [first, second, third];

  it.each([
    [9_999, ['pending', 'pending', 'pending']],
    [10_000, ['active', 'pending', 'pending']],
    [19_999, ['active', 'pending', 'pending']],
    [20_000, ['retiring', 'active', 'pending']],
    [20_999, ['retiring', 'active', 'pending']],
    [21_000, ['retired', 'active', 'pending']],
    [30_500, ['retired', 'retiring', 'active']],
    [99_999, ['retired', 'retired', 'active']],
  ])('follows from the times of all keys: at %i', (now, statuses) => {
    expect(all.map((one) => keyStatus(one, all, now, LIFE))).toEqual(statuses);
  });

  it('is revoked from then on, whatever else holds', () => {
    const revoked = key('1', 10_000, { revokedAt: new Date(15_000) });
    expect(keyStatus(revoked, [revoked], 14_999, LIFE)).toBe('active');
    expect(keyStatus(revoked, [revoked], 15_000, LIFE)).toBe('revoked');
  });

  it('stays what it was when the key that ended it is revoked, and another takes its place', () => {
    const second = key('2', 20_000, { revokedAt: new Date(50_000) });
    const all = [first, second, key('3', 50_000)];
    expect(all.map((one) => keyStatus(one, all, 50_000, LIFE))).toEqual(['retired', 'revoked', 'active']);
    const never = key('2', 20_000, { revokedAt: new Date(15_000) });
    const later = [first, never, key('3', 50_000)];
    expect(later.map((one) => keyStatus(one, later, 50_000, LIFE))).toEqual([
      'retiring',
      'revoked',
      'active',
    ]);
  });

  it('is not ended by a key that was revoked, or that has another use', () => {
    const others = [key('2', 20_000, { revokedAt: new Date(20_500) }), key('3', 20_000, { use: 'opaque' })];
    expect(keyStatus(first, [first, ...others], 40_000, LIFE)).toBe('active');
  });
});
