import { Counter } from 'prom-client';
import { metricsRegistry } from './metrics-registry';

/**
 * A counter whose labels have these values and no others: each value of a label is a time series for ever. All series
 * stand at zero from the start, for Prometheus sees no increase in a series that begins with one.
 */
export function counterOf<L extends string>(
  name: string,
  help: string,
  labels: Record<L, readonly string[]>,
): Counter<L> {
  const labelNames = Object.keys(labels) as L[];
  const counter = new Counter({ name, help, labelNames, registers: [metricsRegistry] });
  let series: Partial<Record<L, string>>[] = [{}];
  for (const label of labelNames) {
    series = series.flatMap((others) => labels[label].map((value) => ({ ...others, [label]: value })));
  }
  for (const one of series) counter.inc(one, 0);
  return counter;
}
