import { Counter, Gauge, Histogram } from 'prom-client';
import { metricsRegistry } from '../infra/metrics/metrics-registry';

const registers = [metricsRegistry];

export const hashQueue = new Gauge({
  name: 'user_service_password_hash_queue',
  help: 'Hashes that wait for a thread',
  registers,
});

export const hashThreads = new Gauge({
  name: 'user_service_password_hash_threads',
  help: 'Threads that hash passwords',
  registers,
});

export const hashThreadsBusy = new Gauge({
  name: 'user_service_password_hash_threads_busy',
  help: 'Threads that hash a password at this moment',
  registers,
});

export const hashDuration = new Histogram({
  name: 'user_service_password_hash_duration_seconds',
  help: 'Time from the wish for a hash, a comparison (verify) or an estimate of strength (score) to its end, the wait in the queue included',
  labelNames: ['task'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  registers,
});

export const hashesRefused = new Counter({
  name: 'user_service_password_hash_refused_total',
  help: 'Hashes refused because the queue was full (hashing_busy)',
  registers,
});
