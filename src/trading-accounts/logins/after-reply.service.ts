import { Injectable, Logger, OnApplicationShutdown } from '@nestjs/common';
import { bulkhead } from 'cockatiel';
import { withDeadline } from '../../infra/deadline';
import { failureReason } from '../../infra/logging/failure-reason';

const AT_ONCE = 20;
const MOST_WAITING = 500;
const LONGEST_MS = 60_000;
const STOP_MS = 5_000;

/**
 * What is tidied up at brokers without anybody waiting for it: a reply must not take the time of a second call there.
 * Nothing depends on it, because every session there ends by itself, the next morning at the latest.
 */
@Injectable()
export class AfterReply implements OnApplicationShutdown {
  private readonly logger = new Logger('TradingAccounts');
  private readonly places = bulkhead(AT_ONCE, MOST_WAITING);
  private readonly stop = new AbortController();
  private readonly underWay = new Set<Promise<void>>();
  private isFailing = false;

  /**
   * Begins at once, or after what was begun before. Never throws; of failures in a row the first is logged.
   * @param what for the log, without a secret: "the logout at kite".
   * @param work is left alone after a minute; the signal says when the service stops, and it should end soon.
   */
  run(what: string, work: (signal: AbortSignal) => Promise<void>): void {
    const done = this.places
      .execute(() => withDeadline(work(this.stop.signal), LONGEST_MS, what))
      .then(() => void (this.isFailing = false))
      .catch((error: unknown) => this.failed(what, error))
      .finally(() => this.underWay.delete(done));
    this.underWay.add(done);
  }

  /** Settles when nothing is left to do. */
  async idle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  /** After the last reply, and before the database pool closes. */
  async onApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await withDeadline(this.idle(), STOP_MS, 'tidying up at brokers').catch(() => {});
  }

  private failed(what: string, error: unknown): void {
    if (!this.isFailing && !this.stop.signal.aborted)
      this.logger.warn(`${what} did not work: ${failureReason(error)}`);
    this.isFailing = true;
  }
}
