import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Snapshot } from './metric-messages';
import { Monotonic } from './monotonic';
import { countersOf, sumSnapshots } from './sum-snapshots';

/** What a worker with these values would report. */
async function snapshot(values: { count: number; lag: number; seconds: number[] }): Promise<Snapshot> {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ['kind'] as const;
  new Counter({ name: 'things_total', help: 'h', labelNames, registers }).inc({ kind: 'a' }, values.count);
  new Gauge({ name: 'lag', help: 'h', aggregator: 'max', registers }).set(values.lag);
  new Gauge({ name: 'connections', help: 'h', registers }).set(values.count);
  const histogram = new Histogram({ name: 'took', help: 'h', buckets: [1, 2], registers });
  for (const seconds of values.seconds) histogram.observe(seconds);
  return registry.getMetricsAsJSON();
}

describe('the sum of snapshots', () => {
  it('adds counters, histograms and gauges of processes, and takes once what all see', async () => {
    const text = await sumSnapshots([
      await snapshot({ count: 2, lag: 7, seconds: [0.5, 1.5] }),
      await snapshot({ count: 3, lag: 5, seconds: [5] }),
    ]).metrics();
    for (const line of [
      'things_total{kind="a"} 5',
      'lag 7',
      'connections 5',
      'took_bucket{le="1"} 1',
      'took_bucket{le="2"} 2',
      'took_bucket{le="+Inf"} 3',
      'took_sum 7',
      'took_count 3',
    ])
      expect(text).toContain(`${line}\n`);
  });

  it('has NaN only where nobody could measure', async () => {
    const blind = await snapshot({ count: 0, lag: NaN, seconds: [] });
    const seeing = await snapshot({ count: 0, lag: 4, seconds: [] });
    expect(await sumSnapshots([blind, seeing]).metrics()).toContain('lag 4\n');
    expect(await sumSnapshots([blind, blind]).metrics()).toContain('lag Nan\n');
  });

  it('keeps of a process that has ended what it has counted, and no state', async () => {
    const past = countersOf(await snapshot({ count: 2, lag: 7, seconds: [0.5] }));
    const text = await sumSnapshots([past, await snapshot({ count: 1, lag: 1, seconds: [] })]).metrics();
    for (const line of ['things_total{kind="a"} 3', 'lag 1', 'connections 1', 'took_count 1'])
      expect(text).toContain(`${line}\n`);
  });

  it('does not fall by the last digit of a fraction when a process ends', async () => {
    const parts = await Promise.all(
      [0.1, 0.2, 0.3].map((seconds) => snapshot({ count: 1, lag: 0, seconds: [seconds] })),
    );
    const shown = new Monotonic();
    const sums: number[] = [];
    for (const order of [parts, [...parts].reverse()]) {
      const sum = sumSnapshots(order);
      shown.keep(await sum.getMetricsAsJSON());
      sums.push(Number(/took_sum (\S+)/.exec(await sum.metrics())![1]));
    }
    // 0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1.
    expect(sums).toEqual([0.1 + 0.2 + 0.3, 0.1 + 0.2 + 0.3]);
  });
});
