import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { endWhenSilent } from './end-when-silent';

class FakeWorker extends EventEmitter {
  answers = true;
  readonly process = { pid: 7, kill: jest.fn(() => this.emit('exit')) };
  readonly send = jest.fn(() => {
    if (this.answers) this.emit('message', { kind: 'pong' });
    return true;
  });
}

describe('a worker that is asked whether it hangs', () => {
  let worker: FakeWorker;
  let logger: { error: jest.Mock };

  beforeEach(() => {
    jest.useFakeTimers();
    worker = new FakeWorker();
    logger = { error: jest.fn() };
  });
  afterEach(() => jest.useRealTimers());

  const watch = (seconds: number): void =>
    endWhenSilent(worker as unknown as Worker, seconds, logger as unknown as Logger);

  it('is left alone while it answers, though it is late at times', () => {
    watch(30);
    jest.advanceTimersByTime(60_000);
    worker.answers = false;
    jest.advanceTimersByTime(29_000);
    worker.answers = true;
    jest.advanceTimersByTime(600_000);
    expect(worker.process.kill).not.toHaveBeenCalled();
  });

  it('is ended, once and with a line in the log, when it has answered nothing for so long', () => {
    watch(30);
    worker.answers = false;
    jest.advanceTimersByTime(29_000);
    expect(worker.process.kill).not.toHaveBeenCalled();
    jest.advanceTimersByTime(600_000);
    expect(worker.process.kill.mock.calls).toEqual([['SIGKILL']]);
    expect(logger.error.mock.calls).toEqual([
      ['process 7 hangs: it has answered nothing for 30 s, and is ended'],
    ]);
  });

  it('is left alone where it never answered, as one of an older release', () => {
    worker.answers = false;
    watch(30);
    jest.advanceTimersByTime(600_000);
    expect(worker.process.kill).not.toHaveBeenCalled();
  });

  it('is asked nothing where nobody wants that, or once it has ended', () => {
    watch(0);
    expect(worker.send).not.toHaveBeenCalled();
    watch(30);
    worker.emit('exit');
    worker.send.mockClear();
    jest.advanceTimersByTime(600_000);
    expect(worker.send).not.toHaveBeenCalled();
  });
});
