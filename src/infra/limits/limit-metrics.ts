import { Counter } from 'prom-client';
import { metricsRegistry } from '../metrics/metrics-registry';

export const limitRefusals = new Counter({
  name: 'user_service_limit_refusals_total',
  help: 'Uses that a rate limit refused, by the name of the limit',
  labelNames: ['limit'],
  registers: [metricsRegistry],
});
