import { Logger } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { newId } from '../common/ids';
import { ApiKeyUsage } from './api-key-usage';

const NOW = Date.UTC(2026, 10, 22, 9, 30);

describe('the last use of API keys', () => {
  let clock: Clock;
  let query: jest.Mock;
  let usage: ApiKeyUsage;
  let warn: jest.SpyInstance;
  let log: jest.SpyInstance;
  beforeEach(() => {
    jest.useFakeTimers();
    warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    log = jest.spyOn(Logger.prototype, 'log').mockReturnValue();
    clock = new Clock();
    clock.now = () => NOW;
    query = jest.fn().mockResolvedValue([[], 0]);
    usage = new ApiKeyUsage({ query } as unknown as EntityManager, clock, true);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  /** What was written, each time. */
  const written = (): [string, Date][][] =>
    query.mock.calls.map(([, [ids, times]]) => ids.map((id: string, i: number) => [id, times[i]]));

  it('is written every thirty seconds, for all keys in one statement', async () => {
    const [one, other] = [newId(), newId()];
    usage.onApplicationBootstrap();
    for (let i = 0; i < 500; i++) usage.note(i % 2 ? one : other);
    await jest.advanceTimersByTimeAsync(29_999);
    expect(written()).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(written()).toEqual([
      [
        [other, new Date(NOW)],
        [one, new Date(NOW)],
      ],
    ]);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(written()).toHaveLength(1);
    usage.note(one);
    await jest.advanceTimersByTimeAsync(30_000);
    expect(written()[1]).toEqual([[one, new Date(NOW)]]);
    await usage.onApplicationShutdown();
  });

  it('is the latest one, also where a clock was put back', async () => {
    const key = newId();
    usage.note(key);
    clock.now = () => NOW - 60_000;
    usage.note(key);
    await usage.flush();
    expect(written()).toEqual([[[key, new Date(NOW)]]]);
  });

  it('is kept while PostgreSQL is away, and one line is logged of it', async () => {
    const [one, other] = [newId(), newId()];
    usage.note(one);
    usage.note(other);
    query.mockRejectedValue(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    for (let i = 0; i < 5; i++) await usage.flush();
    expect(warn.mock.calls).toEqual([[expect.stringContaining('The last use of keys is not written')]]);
    clock.now = () => NOW + 1_000;
    usage.note(other);
    query.mockResolvedValue([[], 2]);
    await usage.flush();
    expect(written().at(-1)).toEqual([
      [one, new Date(NOW)],
      [other, new Date(NOW + 1_000)],
    ]);
    expect(log).toHaveBeenCalledTimes(1);
    await usage.flush();
    expect(written()).toHaveLength(6);
  });

  it('that comes in while it is written is written the next time', async () => {
    const key = newId();
    usage.note(key);
    let fail: (error: Error) => void = () => undefined;
    query.mockReturnValueOnce(new Promise((_, reject) => (fail = reject)));
    const flushing = usage.flush();
    clock.now = () => NOW + 5_000;
    usage.note(key);
    fail(new Error('Query read timeout'));
    await flushing;
    await usage.flush();
    expect(written().at(-1)).toEqual([[key, new Date(NOW + 5_000)]]);
  });

  it('of more than 10,000 keys at once is not kept', async () => {
    const first = newId();
    usage.note(first);
    for (let i = 0; i < 10_050; i++) usage.note(newId());
    clock.now = () => NOW + 1;
    usage.note(first);
    await usage.flush();
    const [batch] = written();
    expect(batch).toHaveLength(10_000);
    expect(batch![0]).toEqual([first, new Date(NOW + 1)]);
  });

  it('is written when the process stops, and not by a timer after that', async () => {
    const key = newId();
    usage.onApplicationBootstrap();
    usage.note(key);
    await usage.onApplicationShutdown();
    expect(written()).toEqual([[[key, new Date(NOW)]]]);
    usage.note(key);
    await jest.advanceTimersByTimeAsync(120_000);
    expect(written()).toHaveLength(1);
  });

  it('is no business of a command that runs beside the service', async () => {
    usage = new ApiKeyUsage({ query } as unknown as EntityManager, clock, false);
    usage.onApplicationBootstrap();
    expect(jest.getTimerCount()).toBe(0);
    await usage.onApplicationShutdown();
    expect(query).not.toHaveBeenCalled();
  });
});
