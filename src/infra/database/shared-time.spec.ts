import { Logger } from '@nestjs/common';
import { Clock } from '../../common/clock';
import { SharedTime } from './shared-time';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

describe('the clock that all processes go by', () => {
  let ahead: number | Error;
  let answerMs: number;
  let clock: Clock;
  let shared: SharedTime;
  let warn: jest.SpyInstance;

  beforeEach(() => {
    warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    jest.spyOn(Logger.prototype, 'log').mockReturnValue();
    jest.useFakeTimers({ now: 1_800_000_000_000 });
    [ahead, answerMs] = [0, 0];
    clock = new Clock();
    const query = async (): Promise<unknown> => {
      jest.setSystemTime(Date.now() + answerMs);
      if (ahead instanceof Error) throw ahead;
      return [{ now: String(Date.now() + ahead) }];
    };
    shared = new SharedTime({ query: query as never }, clock);
  });
  afterEach(async () => {
    jest.useRealTimers();
    await shared.onApplicationShutdown();
    jest.restoreAllMocks();
  });
  const correction = (): number => clock.now() - Date.now();

  it.each([MINUTE, -MINUTE, 4 * MINUTE])(
    'is that of PostgreSQL, which differs by %i ms',
    async (difference) => {
      ahead = difference;
      await shared.onModuleInit();
      expect(correction()).toBe(difference);
      expect(warn).toHaveBeenCalledTimes(1);
      expect(warn.mock.lastCall?.[0]).toContain(
        `${Math.abs(difference) / SECOND}.0 s ${difference < 0 ? 'ahead of' : 'behind'}`,
      );
    },
  );

  it('is that of the machine where the two hardly differ, or an answer took as long as they seem to', async () => {
    ahead = 900;
    await shared.onModuleInit();
    expect(correction()).toBe(0);
    [ahead, answerMs] = [900, 1_000];
    await shared.compare();
    expect(correction()).toBe(0);
    expect(warn).not.toHaveBeenCalled();
  });

  it('is told in whole milliseconds, whatever fractions PostgreSQL knows of', async () => {
    [ahead, answerMs] = [MINUTE + 0.123, 1];
    await shared.onModuleInit();
    expect(correction()).toBe(MINUTE + 1);
  });

  it('is followed as it changes, and stays while nobody can be asked', async () => {
    await shared.onModuleInit();
    ahead = MINUTE;
    await jest.advanceTimersByTimeAsync(30 * SECOND);
    expect(correction()).toBe(MINUTE);
    ahead = new Error('PostgreSQL is away');
    await jest.advanceTimersByTimeAsync(30 * SECOND);
    expect(correction()).toBe(MINUTE);
    ahead = 0;
    await jest.advanceTimersByTimeAsync(30 * SECOND);
    expect(correction()).toBe(0);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('is asked for each second until it is known', async () => {
    ahead = new Error('PostgreSQL is away');
    await shared.onModuleInit();
    ahead = MINUTE;
    await jest.advanceTimersByTimeAsync(SECOND);
    expect(correction()).toBe(MINUTE);
  });

  it('stays as it was found where an answer took too long to tell, as of a process that was stopped', async () => {
    ahead = MINUTE;
    await shared.onModuleInit();
    answerMs = 3 * MINUTE;
    await shared.compare();
    expect(correction()).toBe(MINUTE);
  });

  it.each([MINUTE, -MINUTE])(
    'is compared within a second when somebody sets that of the machine by %i ms',
    async (by) => {
      ahead = by;
      await shared.onModuleInit();
      expect(correction()).toBe(by);
      jest.setSystemTime(Date.now() + by);
      ahead = 0;
      await jest.advanceTimersByTimeAsync(SECOND);
      expect(correction()).toBe(0);
    },
  );

  it('is not followed beyond five minutes: neither is to be believed', async () => {
    ahead = 6 * MINUTE;
    await shared.onModuleInit();
    expect(correction()).toBe(0);
    expect(warn.mock.lastCall?.[0]).toContain(
      '360.0 s behind that of PostgreSQL: nobody knows which is right',
    );
  });
});
