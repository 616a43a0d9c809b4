import { isUnder, Membership } from './living-members';

const member = (id: string, grantedUnder: string | null): Membership => ({
  id,
  userId: `user of ${id}`,
  permissions: ['view'],
  grantedUnder,
  expiresAt: null,
});

describe('a membership', () => {
  const first = member('first', null);
  const second = member('second', 'first');
  const third = member('third', 'second');
  const apart = member('apart', null);
  const all = [third, apart, second, first];

  it('is under whoever gave it, at any distance', () => {
    expect([second, third].map((one) => isUnder(all, one, 'first'))).toEqual([true, true]);
    expect(isUnder(all, third, 'second')).toBe(true);
  });

  it('is not under itself, those below it, those beside it, or nobody', () => {
    expect([first, apart].map((one) => isUnder(all, one, 'first'))).toEqual([false, false]);
    expect(isUnder(all, first, 'third')).toBe(false);
    expect(isUnder(all, third, 'apart')).toBe(false);
    expect(isUnder([third], third, 'first')).toBe(false);
  });
});
