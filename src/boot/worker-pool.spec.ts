import cluster, { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import type { InstanceMetrics } from '../infra/metrics/instance-metrics';
import type { Shutdown } from './shutdown';
import { WorkerPool } from './worker-pool';

class FakeWorker extends EventEmitter {
  readonly process = { pid: 7, send: jest.fn(() => true), kill: jest.fn(() => true) };
}

describe('the pool of workers', () => {
  let worker: FakeWorker;
  let pool: WorkerPool;

  beforeEach(() => {
    worker = new FakeWorker();
    jest.spyOn(cluster, 'fork').mockReturnValue(worker as unknown as Worker);
    pool = new WorkerPool(
      { wanted: 1, hangSeconds: 0, environment: {} },
      { isStopping: false } as Shutdown,
      { warn: jest.fn() } as unknown as Logger,
      { add: jest.fn() } as unknown as InstanceMetrics,
    );
  });
  afterEach(() => {
    jest.restoreAllMocks();
    cluster.removeAllListeners('exit');
  });

  it('says that the program cannot be run, and goes on', async () => {
    const start = pool.start();
    worker.emit('error', new Error('spawn node ENOENT'));
    await expect(start).rejects.toThrow('spawn node ENOENT');
    await pool.settled();
    expect(pool.serving).toEqual([]);
    expect(worker.process.kill).toHaveBeenCalledWith('SIGKILL');
  });

  it('survives that a worker dies while it is told something', async () => {
    const start = pool.start();
    worker.emit('message', { kind: 'ready' });
    await start;
    worker.emit('error', new Error('write EPIPE'));
    expect(pool.serving).toEqual([worker]);
  });

  it.each([
    { end: 'died', code: null, closed: 1 },
    { end: 'retired', code: 0, closed: 0 },
  ])('closes $closed connections that were on their way to one that $end', async ({ code, closed }) => {
    const start = pool.start();
    worker.emit('message', { kind: 'ready' });
    await start;
    const close = jest.fn();
    const send = worker.process.send as (...message: unknown[]) => boolean;
    send({ act: 'newconn' }, { close });
    send({ kind: 'measure' });
    worker.emit('exit', code);
    expect(close).toHaveBeenCalledTimes(closed);
  });
});
