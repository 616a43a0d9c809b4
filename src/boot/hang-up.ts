import type { Shutdown } from './shutdown';

/**
 * SIGHUP, from the very start on. Where the service runs on a terminal that was closed with it, and is to end. Elsewhere it
 * asks for a restart; whoever asks before there is something to restart is heard then.
 */
export class HangUp {
  private isWaiting = false;
  private answer = (): void => void (this.isWaiting = true);

  constructor(shutdown: Shutdown) {
    process.on('SIGHUP', () => {
      if (process.stdout.isTTY) void shutdown.exit(0);
      else this.answer();
    });
  }

  /** @param answer to every one from now on, and to those before, once. */
  answerWith(answer: () => void): void {
    this.answer = answer;
    if (this.isWaiting) answer();
    this.isWaiting = false;
  }
}
