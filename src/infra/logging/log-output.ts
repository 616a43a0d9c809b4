import pino, { DestinationStream } from 'pino';

/** Milliseconds that a line may wait for company. */
const WAIT_MS = 10;

/**
 * Standard output, in two ways that keep the order of lines (but for the last ones of a process, which may overtake
 * those that are being written). Neither waits for whoever reads it.
 *
 * A write for each line of the access log took a seventh of the time of a small request, so those lines gather for a
 * few milliseconds. A process that ends writes what has gathered, also after an exception; one that is killed (SIGKILL)
 * loses it. What must not be lost is an event, and in PostgreSQL before the reply.
 */
class LogOutput {
  private readonly out = pino.destination({ dest: 1, sync: false });
  private gathered = '';
  private timer?: NodeJS.Timeout;

  constructor() {
    // Before pino's own listeners, which write what `out` still has.
    process.prependListener('beforeExit', () => this.flush());
    process.prependListener('exit', () => this.flush());
  }

  /** Writes a line as soon as it is there, with those that wait. */
  readonly now: DestinationStream & { flushSync(): void } = {
    write: (line) => {
      this.gathered += line;
      this.flush();
    },
    flushSync: () => this.out.flushSync(),
  };

  /** Writes a line soon, with others. */
  readonly soon: DestinationStream = {
    write: (line) => {
      this.gathered += line;
      this.timer ??= setTimeout(() => this.flush(), WAIT_MS).unref();
    },
  };

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.gathered === '') return;
    this.out.write(this.gathered);
    this.gathered = '';
  }
}

/** One a process, as its standard output is. */
export const logOutput = new LogOutput();
