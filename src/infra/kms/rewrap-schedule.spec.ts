import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { RewrapSchedule } from './rewrap-schedule';
import { Rewrap } from './rewrap.service';

describe('the schedule of re-wrapping', () => {
  afterEach(() => jest.restoreAllMocks());

  function schedule({ background = true, failures = 0 } = {}) {
    let begun = 0;
    const run = async () => {
      if (++begun <= failures) throw new Error('PostgreSQL is away');
      return { version: '1', rewrapped: new Map(), damaged: new Set(), noKey: new Set(), left: 0 };
    };
    const runner = {
      manager: { query: async () => [{ locked: true }] },
      query: async () => [],
      release: async () => undefined,
    };
    const source = { createQueryRunner: () => runner } as unknown as DataSource;
    return {
      schedule: new RewrapSchedule({ run } as unknown as Rewrap, source, background),
      begun: () => begun,
    };
  }

  it('runs every hour, survives errors, and ends', async () => {
    jest.useFakeTimers();
    jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const { schedule: running, begun } = schedule({ failures: 2 });
    running.onApplicationBootstrap();
    await jest.advanceTimersByTimeAsync(0);
    for (let hour = 2; hour <= 5; hour++) {
      await jest.advanceTimersByTimeAsync(3_599_000);
      expect(begun()).toBe(hour - 1);
      await jest.advanceTimersByTimeAsync(1_000);
      expect(begun()).toBe(hour);
    }
    await running.beforeApplicationShutdown();
    await jest.advanceTimersByTimeAsync(10 * 3_600_000);
    expect(begun()).toBe(5);
    jest.useRealTimers();
  });

  it('does not run in a command of the CLI', async () => {
    const { schedule: idle, begun } = schedule({ background: false });
    idle.onApplicationBootstrap();
    await idle.beforeApplicationShutdown();
    expect(begun()).toBe(0);
  });
});
