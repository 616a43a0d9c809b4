import { Gauge } from 'prom-client';
import { counterOf } from './counter-of';
import { metricsRegistry } from './metrics-registry';

const registers = [metricsRegistry];

export const workersWanted = new Gauge({
  name: 'user_service_workers',
  help: 'Processes that should serve in this instance (WEB_CONCURRENCY)',
  aggregator: 'max',
  registers,
});
workersWanted.set(1);

export const workersAnswered = new Gauge({
  name: 'user_service_workers_answered',
  help: 'Processes whose values are in this scrape; one that hangs is left out, but for what it has counted before',
  aggregator: 'max',
  registers,
});
workersAnswered.set(1);

export const workersEnded = counterOf(
  'user_service_workers_ended_total',
  'Processes of this instance that died, or retired in a rolling restart. Others took their places',
  { reason: ['died', 'retired'] },
);
