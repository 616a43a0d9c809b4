import { mailTiming, retryDelay } from './mail-timing';

describe('retryDelay', () => {
  it('doubles from ten seconds to an hour, up to a quarter less at random', () => {
    for (const [attempts, seconds] of [
      [1, 10],
      [2, 20],
      [5, 160],
      [10, 3600],
      [10_000, 3600],
    ] as const) {
      const delay = retryDelay(attempts, mailTiming);
      expect(delay).toBeLessThanOrEqual(seconds * 1000);
      expect(delay).toBeGreaterThanOrEqual(seconds * 750);
    }
  });

  it('leaves a try enough of its lease to tell its outcome', () => {
    expect(mailTiming.attempt).toBeLessThanOrEqual(mailTiming.lease / 2);
  });
});
