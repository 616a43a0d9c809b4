import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** All metrics of a process at a moment. */
export type Snapshot = MetricObjectWithValues<MetricValue<string>>[];

/** What a worker says to its primary. */
export type MetricsReport =
  | { kind: 'scrape'; id: number }
  | { kind: 'snapshot'; id: number; snapshot: Snapshot }
  | { kind: 'last_snapshot'; snapshot: Snapshot };

/** What the primary says to a worker. */
export type MetricsRequest = { kind: 'measure'; id: number } | { kind: 'scraped'; id: number; text: string };
