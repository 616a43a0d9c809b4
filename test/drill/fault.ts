import type { World } from './world';

/** Something that breaks, while two instances serve. One file of `faults/` each. */
export interface Fault {
  /** For `--only`: lower case and hyphens. */
  name: string;
  /** Of its row. */
  title: string;
  /** What the service promises while this lasts, beside what it always does. */
  promise: string;
  /** Part of the quick half. */
  isQuick: boolean;
  /** Why it cannot be done on this machine; undefined where it can. */
  needs?(): string | undefined;
  /** Breaks it, mends it, and leaves the world as it found it. `world.watch` is what most of them do. */
  run(world: World): Promise<Seen>;
}

/** What a row says. */
export interface Seen {
  /** Answers of the service, by status; 'none' where the process that was asked had been ended. */
  answers: Record<string, number>;
  /** The slowest answer, milliseconds. */
  slowestMs: number;
  /** From the end of the fault; undefined where it did not get well. */
  wellAfterMs?: number;
  /** What happened that the figures do not say, for people. */
  notes: string[];
  /** What the service did not keep, or lost. Empty is what is promised. */
  broken: string[];
}
