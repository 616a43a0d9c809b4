import { Counter, Gauge } from 'prom-client';
import { metricsRegistry } from '../metrics/metrics-registry';

const registers = [metricsRegistry];

export const eventsPublished = new Counter({
  name: 'user_service_events_published_total',
  help: 'Events this process published: appended to the Redis Stream or the Kafka topic',
  labelNames: ['event_type'],
  registers,
});

export const relayLeader = new Gauge({
  name: 'user_service_event_relay_leader',
  help: '1 in the process that publishes events, 0 elsewhere',
  registers,
});

export const relayPending = new Gauge({
  name: 'user_service_event_relay_pending',
  help: 'Events not yet published, counted up to 10000; NaN while PostgreSQL cannot be asked',
  aggregator: 'max',
  registers,
});

export const relayLag = new Gauge({
  name: 'user_service_event_relay_lag_seconds',
  help: 'Age of the oldest event not yet published, 0 when there is none; NaN while PostgreSQL cannot be asked',
  aggregator: 'max',
  registers,
});

export const eventsUnlinked = new Gauge({
  name: 'user_service_events_unlinked',
  help: 'Events without a link in the hash chain, counted up to 10000; NaN while PostgreSQL cannot be asked',
  aggregator: 'max',
  registers,
});

export const oldestUnlinked = new Gauge({
  name: 'user_service_events_unlinked_age_seconds',
  help: 'Age of the oldest event without a link in the hash chain, 0 when there is none; NaN while PostgreSQL cannot be asked',
  aggregator: 'max',
  registers,
});
