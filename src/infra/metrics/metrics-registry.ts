import { collectDefaultMetrics, Registry } from 'prom-client';
import { collectEventLoopLag } from './event-loop-lag';

/** Every metric of this process. The standard ones of Node (memory, garbage collection, event loop lag) are in it. */
export const metricsRegistry = new Registry();

// There is no way to leave out single ones: their timer is given eleven days.
collectDefaultMetrics({ register: metricsRegistry, eventLoopMonitoringPrecision: 1e9 });
for (const metric of metricsRegistry.getMetricsAsArray()) {
  if (metric.name.startsWith('nodejs_eventloop_lag')) metricsRegistry.removeSingleMetric(metric.name);
  // Of several workers on one scrape that of the first.
  if (metric.name === 'process_start_time_seconds') metric.aggregator = 'min';
}
collectEventLoopLag(metricsRegistry);
