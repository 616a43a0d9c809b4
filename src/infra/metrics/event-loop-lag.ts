import { createHistogram, RecordableHistogram } from 'node:perf_hooks';
import { Gauge, Registry } from 'prom-client';

const EVERY_MS = 100;

/** Suffixes of the names, and what of a histogram in microseconds they are. */
const VALUES: Record<string, (lags: RecordableHistogram) => number> = {
  '': ({ mean }) => mean,
  _min: ({ min }) => min,
  _mean: ({ mean }) => mean,
  _stddev: ({ stddev }) => stddev,
  _p50: (lags) => lags.percentile(50),
  _p90: (lags) => lags.percentile(90),
  _p99: (lags) => lags.percentile(99),
  _max: ({ max }) => max,
};

/**
 * How late a timer of a tenth of a second was since the last scrape, under the names of prom-client's own metrics. Those
 * use a timer of 10 ms, for which a process that does nothing wakes a hundred times a second, and count the 10 ms as lag.
 * What lies between two samples is not seen: of stalls shorter than a tenth of a second some. Of several workers on one
 * scrape the slowest counts, not an average of it with idle ones.
 */
export function collectEventLoopLag(registry: Registry): void {
  const lags = createHistogram();
  let due = performance.now() + EVERY_MS;
  setInterval(() => {
    const now = performance.now();
    // Not less than one: the histogram takes no zero.
    lags.record(Math.max(1, Math.round((now - due) * 1000)));
    due = now + EVERY_MS;
  }, EVERY_MS).unref();
  const gauges = new Map<string, Gauge>();
  // Asked first, and for all of them: what it has read begins anew.
  const collect = (): void => {
    for (const [suffix, gauge] of gauges) gauge.set(lags.count > 0 ? VALUES[suffix]!(lags) / 1e6 : 0);
    lags.reset();
  };
  for (const suffix of Object.keys(VALUES)) {
    const gauge = new Gauge({
      name: `nodejs_eventloop_lag${suffix}_seconds`,
      help: 'How late a timer of 0.1 s was since the last scrape (mean, percentiles, longest).',
      registers: [registry],
      aggregator: 'max',
      ...(gauges.size === 0 && { collect }),
    });
    gauges.set(suffix, gauge);
  }
}
