import type { Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { InstanceMetrics } from './instance-metrics';
import type { MetricsRequest, Snapshot } from './metric-messages';

const counted = (value: number, aggregator = 'sum'): Snapshot =>
  [
    { name: 'things_total', help: 'h', type: 'counter', aggregator, values: [{ value, labels: {} }] },
  ] as unknown as Snapshot;

/** A worker as its primary sees it. */
class FakeWorker extends EventEmitter {
  readonly heard: MetricsRequest[] = [];

  constructor(private readonly snapshot?: Snapshot) {
    super();
  }

  isConnected(): boolean {
    return true;
  }

  send(message: MetricsRequest): void {
    this.heard.push(message);
    const { snapshot } = this;
    if (message.kind === 'measure' && snapshot)
      this.emit('message', { kind: 'snapshot', id: message.id, snapshot });
  }
}

describe('the metrics of an instance', () => {
  const warn = jest.fn<void, [string]>();
  let metrics: InstanceMetrics;

  beforeEach(() => {
    warn.mockReset();
    metrics = new InstanceMetrics(1, { warn } as unknown as Logger);
  });
  const add = (worker: FakeWorker): FakeWorker => {
    metrics.add(worker as unknown as Worker);
    return worker;
  };

  it('count a worker once whose last words come after its end', async () => {
    const worker = add(new FakeWorker(counted(3)));
    expect(await metrics.scrape()).toContain('things_total 3\n');
    worker.emit('exit');
    worker.emit('message', { kind: 'last_snapshot', snapshot: counted(3) });
    expect(await metrics.scrape()).toContain('things_total 3\n');
  });

  it('keep what many have counted that ended between two scrapes', async () => {
    for (let i = 0; i < 40; i++) {
      const worker = add(new FakeWorker());
      worker.emit('message', { kind: 'last_snapshot', snapshot: counted(2) });
      worker.emit('exit');
    }
    expect(await metrics.scrape()).toContain('things_total 80\n');
    expect(await metrics.scrape()).toContain('things_total 80\n');
  });

  it('that cannot be put together are a line in the log, and no end of the primary', async () => {
    const worker = add(new FakeWorker(counted(1, 'of another version')));
    worker.emit('message', { kind: 'scrape', id: 1 });
    await expect(metrics.scrape()).rejects.toThrow('of another version');
    expect(warn.mock.calls.map(([line]) => line)).toEqual([
      expect.stringMatching(/^the metrics .*of another version/),
    ]);
    expect(worker.heard.map(({ kind }) => kind)).toEqual(['measure']);
  });
});
