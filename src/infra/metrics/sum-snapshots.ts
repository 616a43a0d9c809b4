import { AggregatorRegistry, Registry } from 'prom-client';
import type { Snapshot } from './metric-messages';

/**
 * One registry of the metrics of several processes, each put together as its `aggregator` says: sums, but for what is the
 * same whichever process is asked.
 */
export function sumSnapshots(snapshots: readonly Snapshot[]): Registry {
  return AggregatorRegistry.aggregate(withoutUnknown(snapshots));
}

/** What only ever grows, and so has to be remembered when a process ends. */
export function countersOf(snapshot: Snapshot): Snapshot {
  // prom-client's types have numbers for what are the names of types.
  return snapshot.filter(({ type }) => ['counter', 'histogram'].includes(String(type)));
}

/** NaN of a process that could not measure gives way to what another has measured. */
function withoutUnknown(snapshots: readonly Snapshot[]): Snapshot[] {
  const series = (name: string, labels: object): string => `${name} ${JSON.stringify(labels)}`;
  const known = new Set<string>();
  for (const { name, values } of snapshots.flat()) {
    for (const { labels, value } of values) if (!Number.isNaN(value)) known.add(series(name, labels));
  }
  return snapshots.map((snapshot) =>
    snapshot.map((metric) => ({
      ...metric,
      values: metric.values.filter(
        ({ labels, value }) => !Number.isNaN(value) || !known.has(series(metric.name, labels)),
      ),
    })),
  );
}
