import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { FleetJob } from './fleet-job';
import { JobLoop } from './job-loop';
import type { JobMarks } from './job-marks';
import { Slots } from './slots';

const HOUR_MS = 3_600_000;
const HOURLY: Omit<FleetJob, 'work'> = {
  name: 'hourly',
  lock: [1, 1],
  everyMs: HOUR_MS,
  trouble: 'It is not done',
};
const FREE_LOCK = {
  createQueryRunner: () => ({
    manager: { query: async () => [{ locked: true }] },
    query: async () => undefined,
    release: async () => undefined,
  }),
} as unknown as DataSource;

describe('an hourly job', () => {
  beforeEach(() => {
    jest.useFakeTimers();
    for (const level of ['warn', 'log'] as const) jest.spyOn(Logger.prototype, level).mockReturnValue();
  });
  afterEach(() => void jest.useRealTimers());

  it('is done hourly by a process whose marks a full Redis refuses, though it answers', async () => {
    const full = {
      of: async () => null,
      set: async () => Promise.reject(new Error('OOM command not allowed')),
      succeeded: async () => Promise.reject(new Error('OOM command not allowed')),
    } as unknown as JobMarks;
    let runs = 0;
    const loop = new JobLoop(
      { ...HOURLY, work: async () => void runs++ },
      { source: FREE_LOCK, marks: full, slots: new Slots(1), atStart: false },
    );
    loop.start();
    await jest.advanceTimersByTimeAsync(3.5 * HOUR_MS);
    expect(runs).toBe(4);
    await loop.stop();
  });

  it('that fails is tried again after five minutes, and is hourly again when it has worked', async () => {
    const rests: number[] = [];
    let restUntil = 0;
    const marks = {
      of: async () => (Date.now() < restUntil ? { begunAt: 0, restMs: restUntil - Date.now() } : null),
      set: async (_job: string, _begunAt: number, restMs: number) => {
        rests.push(restMs);
        restUntil = Date.now() + restMs;
      },
      succeeded: async () => undefined,
    } as unknown as JobMarks;
    let failures = 2;
    const loop = new JobLoop(
      {
        ...HOURLY,
        work: async () => {
          if (failures-- > 0) throw new Error('PostgreSQL is away');
        },
      },
      { source: FREE_LOCK, marks, slots: new Slots(1), atStart: false },
    );
    loop.start();
    await jest.advanceTimersByTimeAsync(1.5 * HOUR_MS);
    expect(rests).toEqual([HOUR_MS / 12, HOUR_MS / 12, HOUR_MS, HOUR_MS]);
    await loop.stop();
  });
});
