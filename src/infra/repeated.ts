import { withDeadline } from './deadline';

const STOP_MS = 2_000;

/** Work that is done again and again: once at the start, and then so long after the end of each time. */
export class Repeated {
  private readonly stopping = new AbortController();
  private timer?: NodeJS.Timeout;
  private running: Promise<void> = Promise.resolve();

  /**
   * @param pauseMs from the end of one time to the beginning of the next; as a function, asked each time.
   * @param work tells of its own failures and does not throw; the signal says when to end early.
   */
  constructor(
    private readonly pauseMs: number | (() => number),
    private readonly work: (signal: AbortSignal) => Promise<void>,
  ) {}

  start(): void {
    this.running = this.once();
  }

  /** Waits for what is under way, for two seconds at most. */
  async stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    await withDeadline(this.running, STOP_MS, 'repeated work').catch(() => {});
  }

  private async once(): Promise<void> {
    await this.work(this.stopping.signal);
    if (this.stopping.signal.aborted) return;
    const pause = typeof this.pauseMs === 'number' ? this.pauseMs : this.pauseMs();
    this.timer = setTimeout(() => this.start(), pause).unref();
  }
}
