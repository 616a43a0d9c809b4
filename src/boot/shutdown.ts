import { setTimeout as sleep } from 'node:timers/promises';

type Step = () => Promise<void>;

/** One Ctrl-C arrives twice: from the terminal, and passed on by npm. */
const ECHO_MS = 500;

/** Undoes the start, last step first, on SIGINT or SIGTERM. A second signal ends the process at once. */
export class Shutdown {
  private readonly steps: Step[] = [];
  private stopping = false;

  /** @param deadlineMs after which the process ends whatever is still going on. */
  constructor(private readonly deadlineMs: number) {
    let first = 0;
    const onSignal = (): void => {
      if (first === 0) {
        first = Date.now();
        void this.exit(0);
      } else if (Date.now() - first > ECHO_MS) {
        process.exit(1);
      }
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  /** Adds what a shutdown has to do, before all that was added earlier. */
  defer(step: Step): void {
    this.steps.push(step);
  }

  /** Runs the steps and ends the process. Once it is at it, it goes on. */
  async exit(code: number): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    await Promise.race([this.undo(), sleep(this.deadlineMs)]);
    process.exit(code);
  }

  private async undo(): Promise<void> {
    for (const step of this.steps.reverse()) {
      await step().catch((error: Error) => process.stderr.write(`while stopping: ${error.message}\n`));
    }
  }
}
