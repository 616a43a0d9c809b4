import { Gauge } from 'prom-client';
import { counterOf } from '../metrics/counter-of';
import { metricsRegistry } from '../metrics/metrics-registry';

const registers = [metricsRegistry];

export const mailSent = counterOf(
  'user_service_mail_sent_total',
  'Tries to send a mail: sent, dropped (nobody to write to any more), failed (tried again later), given_up',
  { result: ['sent', 'dropped', 'failed', 'given_up'] },
);

export const mailOutbox = new Gauge({
  name: 'user_service_mail_outbox',
  help: 'Mails in the outbox: waiting, or given_up and kept for the operator. As of some seconds ago.',
  labelNames: ['state'],
  aggregator: 'max',
  registers,
});
