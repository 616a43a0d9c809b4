import { Logger } from '@nestjs/common';
import { AfterReply } from './after-reply.service';

describe('AfterReply', () => {
  let afterReply: AfterReply;
  let warn: jest.SpyInstance;
  beforeEach(() => {
    afterReply = new AfterReply();
    warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
  });
  afterEach(() => jest.restoreAllMocks());

  /** Work that goes on until it is told to end. */
  const held = () => {
    let running = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const work = async (): Promise<void> => {
      running++;
      await gate;
    };
    return { work, running: () => running, open: () => open() };
  };

  it('does twenty things at once, and the rest after those', async () => {
    const { work, running, open } = held();
    for (let i = 0; i < 60; i++) afterReply.run('work', work);
    await new Promise((resolve) => setImmediate(resolve));
    expect(running()).toBe(20);
    open();
    await afterReply.idle();
    expect(running()).toBe(60);
    expect(warn).not.toHaveBeenCalled();
  });

  it('leaves undone what is too much', async () => {
    const { work, running, open } = held();
    for (let i = 0; i < 600; i++) afterReply.run('work', work);
    open();
    await afterReply.idle();
    expect(running()).toBe(520);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('throws for nothing, and logs the first failure of those in a row, without a secret', async () => {
    const token = 'accesstokenaccesstokenaccess1234';
    const fail = (): void => {
      for (let i = 0; i < 3; i++)
        afterReply.run('the logout', () => {
          throw new Error(`no ${token}`);
        });
    };
    fail();
    await afterReply.idle();
    expect(warn.mock.calls).toEqual([['the logout did not work: Error: no [redacted]']]);
    afterReply.run('the logout', () => Promise.resolve());
    await afterReply.idle();
    fail();
    await afterReply.idle();
    expect(warn).toHaveBeenCalledTimes(2);
  });

  it('leaves work alone after a minute', async () => {
    jest.useFakeTimers();
    const { work } = held();
    afterReply.run('the logout', work);
    await jest.advanceTimersByTimeAsync(60_001);
    await afterReply.idle();
    jest.useRealTimers();
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('has work end, and waits for it, when the service stops: for five seconds and no longer', async () => {
    jest.useFakeTimers();
    let isTold = false;
    afterReply.run(
      'polite',
      (signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => ((isTold = true), resolve()))),
    );
    afterReply.run('stubborn', held().work);
    let isStopped = false;
    const stop = afterReply.onApplicationShutdown().then(() => (isStopped = true));
    await jest.advanceTimersByTimeAsync(4_999);
    expect([isTold, isStopped]).toEqual([true, false]);
    await jest.advanceTimersByTimeAsync(2);
    await stop;
    jest.useRealTimers();
  });
});
