import fc from 'fast-check';
import { laneRest, retryAfterMs, retryDelay } from './retry-timing';

const HOUR = 3_600_000;

describe('The times of retries', () => {
  it('double from five seconds to an hour, up to a quarter less at random', () => {
    for (const [attempts, wait] of [
      [1, 5_000],
      [2, 10_000],
      [5, 80_000],
      [10, 2_560_000],
      [11, HOUR],
      [1_000_000, HOUR],
    ] as const) {
      const waits = Array.from({ length: 50 }, () => retryDelay(attempts));
      expect(Math.max(...waits)).toBeLessThanOrEqual(wait);
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(wait * 0.75);
      expect(new Set(waits).size).toBeGreaterThan(10);
    }
  });

  it('leave a receiver alone for a second at first, and for five minutes at most', () => {
    expect(laneRest(1)).toBeLessThanOrEqual(1_000);
    expect(laneRest(1)).toBeGreaterThanOrEqual(750);
    expect(laneRest(1_000)).toBeLessThanOrEqual(300_000);
    expect(laneRest(1_000)).toBeGreaterThanOrEqual(225_000);
  });

  it('follow a Retry-After, within a second and an hour', () => {
    const now = Date.parse('2030-01-01T00:00:00Z');
    for (const [header, wait] of [
      ['120', 120_000],
      ['0', 1_000],
      ['999999999', HOUR],
      ['Tue, 01 Jan 2030 00:10:00 GMT', 600_000],
      ['Mon, 31 Dec 2029 00:10:00 GMT', 1_000],
      ['Fri, 31 Dec 9999 23:59:59 GMT', HOUR],
    ] as const)
      expect([header, retryAfterMs(header, now)]).toEqual([header, wait]);
    for (const header of [undefined, '', 'soon', '-5 s', '1e400'])
      expect([header, retryAfterMs(header, now)]).toEqual([header, undefined]);
  });

  it('are never outside of their bounds, whatever a receiver says', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const wait = retryAfterMs(header, Date.now());
        return wait === undefined || (wait >= 1_000 && wait <= HOUR);
      }),
    );
  });
});
