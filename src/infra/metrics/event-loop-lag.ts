import { IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, Registry } from 'prom-client';

const EVERY_MS = 100;

/** Suffixes of the names, and what of a histogram in nanoseconds they are. */
const VALUES: Record<string, (delays: IntervalHistogram) => number> = {
  '': ({ mean }) => mean,
  _p50: (delays) => delays.percentile(50),
  _p90: (delays) => delays.percentile(90),
  _p99: (delays) => delays.percentile(99),
  _max: ({ max }) => max,
};

/**
 * How late timers were since the last scrape, under the names of prom-client's own metrics. Those take a sample every 10
 * ms, for which a process that does nothing wakes a hundred times a second, and count the 10 ms as lag. Of several workers
 * on one scrape the slowest counts, not an average of it with idle ones.
 */
export function collectEventLoopLag(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution: EVERY_MS });
  delays.enable();
  const gauges = new Map<string, Gauge>();
  // Asked first, and for all of them: what it has read begins anew.
  const collect = (): void => {
    for (const [suffix, gauge] of gauges) gauge.set(lateness(VALUES[suffix]!(delays)));
    delays.reset();
  };
  for (const suffix of Object.keys(VALUES)) {
    const gauge = new Gauge({
      name: `nodejs_eventloop_lag${suffix}_seconds`,
      help: 'How late timers were since the last scrape (mean, percentiles, longest).',
      registers: [registry],
      aggregator: 'max',
      ...(gauges.size === 0 && { collect }),
    });
    gauges.set(suffix, gauge);
  }
}

/** In seconds, of the time between two samples; NaN where there was none. */
const lateness = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - EVERY_MS / 1000) || 0;
