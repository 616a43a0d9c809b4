import type { Snapshot } from './metric-messages';
import { countersOf } from './sum-snapshots';

/**
 * Sums of fractions depend on the order of adding in their last digit. To Prometheus a counter that falls by that has
 * begun anew, and all of it counts once more.
 */
export class Monotonic {
  private readonly highest = new Map<string, number>();

  /** Raises what fell to what it was. @param snapshot is changed. */
  keep(snapshot: Snapshot): void {
    for (const { name, values } of countersOf(snapshot)) {
      for (const each of values) {
        const { metricName = name } = each as { metricName?: string };
        const series = `${metricName} ${JSON.stringify(each.labels)}`;
        each.value = Math.max(each.value, this.highest.get(series) ?? 0);
        this.highest.set(series, each.value);
      }
    }
  }
}
