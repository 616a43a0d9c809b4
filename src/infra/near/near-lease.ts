/** For how long after a proof what is remembered may be used. Who takes something away counts on it: never lengthen it alone. */
export const LEASE_MS = 400;
const RENEW_MS = 100;

/**
 * The right to use what is remembered, for a while after each proof that every change up to then has been heard of.
 * It is proved again by those who use it, so a process that nobody asks anything does nothing.
 */
export class NearLease {
  private provedAt = -Infinity;
  private askedAt = -Infinity;
  private isAsking = false;
  private term = 0;

  /**
   * @param prove resolves when everything that was changed before the call has been heard of.
   * @param now milliseconds of a clock that is never set, and goes on while the process is stopped.
   */
  constructor(
    private readonly prove: () => Promise<void>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  isHeld(): boolean {
    const now = this.now();
    if (!this.isAsking && now - this.askedAt >= RENEW_MS) void this.renew(now);
    return now - this.provedAt < LEASE_MS;
  }

  /** Over at once; a proof that is under way counts for nothing. */
  end(): void {
    this.term++;
    this.provedAt = -Infinity;
    this.isAsking = false;
  }

  private async renew(now: number): Promise<void> {
    const { term } = this;
    this.askedAt = now;
    this.isAsking = true;
    try {
      await this.prove();
      // From the question on: what happened while the answer was on its way it may not know.
      if (term === this.term) this.provedAt = now;
    } catch {
      // Without a proof everything is read from Redis.
    } finally {
      if (term === this.term) this.isAsking = false;
    }
  }
}
