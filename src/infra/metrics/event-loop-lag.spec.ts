import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { collectEventLoopLag } from './event-loop-lag';

describe('the lag of the event loop', () => {
  const registry = new Registry();
  const read = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await registry.getMetricsAsJSON()).map(({ name, values }) => [
        name.replace(/^nodejs_eventloop_lag(.*)_seconds$/, '$1'),
        values[0]!.value,
      ]),
    );

  it('is what timers come too late by, and begins anew with each scrape', async () => {
    collectEventLoopLag(registry);
    await sleep(250);
    await read();
    // Right behind the scrape: that begins anew, but forgets no stall.
    const end = performance.now() + 600;
    while (performance.now() < end);
    await sleep(250);
    const busy = await read();
    expect(busy._max).toBeGreaterThan(0.45);
    expect(busy._p99).toBeGreaterThan(0.45);
    expect(busy._p50).toBeLessThan(busy._max!);
    expect(busy._mean).toBeGreaterThan(0.05);
    expect(Object.keys(busy)).toEqual(['', '_min', '_mean', '_stddev', '_p50', '_p90', '_p99', '_max']);
    // Nothing yet since then.
    expect(new Set(Object.values(await read()))).toEqual(new Set([0]));
  });
});
