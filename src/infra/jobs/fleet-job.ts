/** Work that the whole fleet does once in a while, in one process at a time. */
export interface FleetJob {
  /** In metrics, in Redis and in the log. */
  name: string;
  /** One of `advisoryLocks`, and of this job alone. */
  lock: readonly [number, number];
  /** From the end of one time to the beginning of the next, in whichever process; after a failure five minutes at most. */
  everyMs: number;
  /** What a failure means, for the log: "Deleted accounts are not erased". */
  trouble: string;
  /**
   * Throws where it could not do it all. It has to be harmless when done twice: a process that has lost its lock does
   * not notice. @param signal says when to end early.
   */
  work: (signal: AbortSignal) => Promise<void>;
}
