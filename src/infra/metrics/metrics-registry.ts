import { collectDefaultMetrics, Registry } from 'prom-client';

/** Every metric of this process. The standard ones of Node (memory, garbage collection, event loop lag) are in it. */
export const metricsRegistry = new Registry();

collectDefaultMetrics({ register: metricsRegistry });

/** Of several workers on one scrape: the slowest event loop, not an average of it with idle ones; the start of the first. */
for (const metric of metricsRegistry.getMetricsAsArray()) {
  if (/^nodejs_eventloop_lag/.test(metric.name)) metric.aggregator = 'max';
  if (metric.name === 'process_start_time_seconds') metric.aggregator = 'min';
}
