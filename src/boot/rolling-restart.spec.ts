import type { Logger } from 'pino';
import { RollingRestart } from './rolling-restart';
import type { Shutdown } from './shutdown';
import type { WorkerPool } from './worker-pool';

/** Names in the place of workers: a, b and c are old, the others come in order. */
class FakePool {
  serving = ['a', 'b', 'c'];
  started = 0;
  /** Who ends by itself, and while who starts. */
  dies = { who: '', during: '' };

  async start(): Promise<void> {
    const started = `new ${++this.started}`;
    this.serving = [...this.serving, started].filter(
      (each) => each !== this.dies.who || started !== this.dies.during,
    );
  }

  async retire(worker: string): Promise<void> {
    this.serving = this.serving.filter((each) => each !== worker);
  }

  async settled(): Promise<void> {
    await Promise.resolve();
  }

  fillUp(): void {
    this.serving = [...this.serving, 'filled up'];
  }
}

describe('a rolling restart', () => {
  const error = jest.fn<void, [string]>();
  const info = jest.fn<void, [string]>();
  let pool: FakePool;

  beforeEach(() => {
    error.mockReset();
    info.mockReset();
    pool = new FakePool();
  });
  const roll = async (): Promise<void> => {
    const logger = { info, error } as unknown as Logger;
    new RollingRestart(pool as unknown as WorkerPool, { isStopping: false } as Shutdown, logger).request();
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };

  it('replaces all that serve', async () => {
    await roll();
    expect(pool.serving).toEqual(['new 1', 'new 2', 'new 3']);
    expect(info).toHaveBeenLastCalledWith('rolling restart done');
  });

  it('goes on when an old one dies meanwhile', async () => {
    pool.dies = { who: 'b', during: 'new 1' };
    await roll();
    expect(pool.serving).toEqual(['new 1', 'new 2']);
    expect(error).not.toHaveBeenCalled();
  });

  it('stops when a new one dies, and the old ones go on', async () => {
    pool.dies = { who: 'new 1', during: 'new 2' };
    await roll();
    expect(pool.serving).toEqual(['b', 'c', 'new 2', 'filled up']);
    expect(error.mock.calls).toEqual([[expect.stringContaining('a new process has died')]]);
  });
});
