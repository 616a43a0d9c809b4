import { Gauge, Histogram } from 'prom-client';
import { counterOf } from '../../infra/metrics/counter-of';
import { metricsRegistry } from '../../infra/metrics/metrics-registry';

const registers = [metricsRegistry];

export const webhookDeliveries = counterOf(
  'user_service_webhook_deliveries_total',
  'Tries to send an event to a webhook: delivered, failed (tried again later), dead (given up; some were never tried)',
  { result: ['delivered', 'failed', 'dead'] },
);

export const webhookDuration = new Histogram({
  name: 'user_service_webhook_duration_seconds',
  help: 'What a try to send an event to a webhook took, name look-up and answer included',
  buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  registers,
});

export const webhooksFailing = new Gauge({
  name: 'user_service_webhooks_failing',
  help: 'Enabled webhooks at which nothing arrives; NaN while PostgreSQL cannot be asked',
  aggregator: 'max',
  registers,
});

export const webhookBacklog = new Gauge({
  name: 'user_service_webhook_backlog',
  help: 'Deliveries by status: pending (of enabled webhooks), dead and kept; each counted up to 10000. NaN while PostgreSQL cannot be asked',
  labelNames: ['status'],
  aggregator: 'max',
  registers,
});

export const webhookLag = new Gauge({
  name: 'user_service_webhook_lag_seconds',
  help: 'For how long the delivery that is due longest has been due, at webhooks that do not rest; 0 when there is none, NaN while PostgreSQL cannot be asked',
  aggregator: 'max',
  registers,
});

export const webhookFanOutPending = new Gauge({
  name: 'user_service_webhook_fan_out_pending',
  help: 'Events of the chain for which deliveries have not been made yet; NaN while PostgreSQL cannot be asked',
  aggregator: 'max',
  registers,
});
