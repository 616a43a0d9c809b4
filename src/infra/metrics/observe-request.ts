import { Histogram } from 'prom-client';
import { metricsRegistry } from './metrics-registry';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

const duration = new Histogram({
  name: 'user_service_http_request_duration_seconds',
  help: 'Time from the arrival of a request to the end of its reply',
  labelNames: ['method', 'route', 'status'],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  registers: [metricsRegistry],
});

/**
 * @param method anything but the usual ones is counted as `other`.
 * @param route the template (`/v1/users/:id`), never the path: each value of a label is a time series for ever.
 */
export function observeRequest(method: string, route: string, status: number, seconds: number): void {
  duration.labels(METHODS.has(method) ? method : 'other', route, String(status)).observe(seconds);
}
