import { Counter, Gauge } from 'prom-client';
import { metricsRegistry } from '../metrics/metrics-registry';

const registers = [metricsRegistry];

/** Of one process, or instance: the sum over the fleet is how often the job was done. */
export const jobRuns = new Counter({
  name: 'user_service_job_runs_total',
  help: 'Runs of scheduled jobs in this instance: done or failed. Once per period in the whole fleet, sooner after a failure',
  // Not `job`: Prometheus has that name for itself.
  labelNames: ['task', 'result'],
  registers,
});

export const jobLastSuccess = new Gauge({
  name: 'user_service_job_last_success_timestamp_seconds',
  help: 'When a scheduled job last succeeded, whichever instance did it; 0 before the first time, NaN while Redis cannot be asked',
  labelNames: ['task'],
  aggregator: 'max',
  registers,
});
