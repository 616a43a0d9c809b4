import type { DataSource } from 'typeorm';
import { JobLoop } from './job-loop';
import type { JobMarks } from './job-marks';
import { Slots } from './slots';

const HOUR_MS = 3_600_000;
const FREE_LOCK = {
  createQueryRunner: () => ({
    manager: { query: async () => [{ locked: true }] },
    query: async () => undefined,
    release: async () => undefined,
  }),
} as unknown as DataSource;

describe('an hourly job', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('is done hourly by a process whose marks a full Redis refuses, though it answers', async () => {
    const full = {
      of: async () => null,
      set: async () => Promise.reject(new Error('OOM command not allowed')),
      succeeded: async () => Promise.reject(new Error('OOM command not allowed')),
    } as unknown as JobMarks;
    let runs = 0;
    const loop = new JobLoop(
      {
        name: 'hourly',
        lock: [1, 1],
        everyMs: HOUR_MS,
        trouble: 'It is not done',
        work: async () => void runs++,
      },
      { source: FREE_LOCK, marks: full, slots: new Slots(1), atStart: false },
    );
    loop.start();
    await jest.advanceTimersByTimeAsync(3.5 * HOUR_MS);
    expect(runs).toBe(4);
    await loop.stop();
  });
});
