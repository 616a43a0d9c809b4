import { Counter } from 'prom-client';
import { metricsRegistry } from '../infra/metrics/metrics-registry';

/** `hit`, `miss`, `fenced` (a change is under way) or `unavailable` (Redis is away). */
export const cacheLookups = new Counter({
  name: 'user_service_permission_cache_lookups_total',
  help: 'Lookups in the cache of permissions, by result',
  labelNames: ['result'],
  registers: [metricsRegistry],
});
