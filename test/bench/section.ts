import { Line } from './report';

export interface BenchOptions {
  /** One short round. */
  quick: boolean;
  rounds: number;
  /** WEB_CONCURRENCY, and as many of the bare server. */
  processes: number;
  /** That the larger database of `audit` has. */
  events: number;
}

export interface Report {
  /** What was measured, beside the machine. */
  heading: string;
  lines: Line[];
  /** Every number of each round. */
  rounds: unknown[];
  /** What the figures do not say by themselves. */
  notes: string;
}

/** A part of the benchmark that is run by its name. */
export type Section = (options: BenchOptions) => Promise<Report>;
