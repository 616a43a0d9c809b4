import { Counter, Gauge } from 'prom-client';
import { metricsRegistry } from '../../infra/metrics/metrics-registry';

export const OPERATIONS = ['exchange', 'profile', 'logout'] as const;
export type BrokerOperation = (typeof OPERATIONS)[number];

/** `limited`: the broker had enough of this app. `not_tried`: it fails, and is left alone for a while. */
export const RESULTS = [
  'ok',
  'session_over',
  'refused',
  'limited',
  'unavailable',
  'bad_answer',
  'not_tried',
] as const;
export type BrokerResult = (typeof RESULTS)[number];

const calls = new Counter({
  name: 'user_service_broker_calls_total',
  help: 'Calls to brokers, each with its retries, by result',
  labelNames: ['broker', 'operation', 'result'],
  registers: [metricsRegistry],
});

const isLeftAlone = new Gauge({
  name: 'user_service_broker_circuit_open',
  help: '1 while a broker fails and is left alone, else 0',
  labelNames: ['broker'],
  aggregator: 'max',
  registers: [metricsRegistry],
});

/** What is counted of one broker. Its series stand at zero from the start, as those of `counterOf`. */
export class BrokerMetrics {
  constructor(private readonly broker: string) {
    for (const operation of OPERATIONS)
      for (const result of RESULTS) calls.inc({ broker, operation, result }, 0);
    this.circuit(false);
  }

  called(operation: BrokerOperation, result: BrokerResult): void {
    calls.inc({ broker: this.broker, operation, result });
  }

  circuit(isOpen: boolean): void {
    isLeftAlone.set({ broker: this.broker }, isOpen ? 1 : 0);
  }
}
