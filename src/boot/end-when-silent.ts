import type { Worker } from 'node:cluster';
import type { Logger } from 'pino';

/** What the primary asks a worker over and over, */
export interface Ping {
  kind: 'ping';
}

/** and what it answers, as long as its event loop turns. */
export interface Pong {
  kind: 'pong';
}

/** Counted, not timed: after a pause of the whole machine nobody is late. */
const QUESTIONS = 6;

/**
 * Ends a worker that answers nothing for so long: connections go on being handed to it, and whoever has one waits in vain.
 * One that never answered is left alone: after a way back to an older release it may not know the question.
 * @param seconds 0: never.
 */
export function endWhenSilent(worker: Worker, seconds: number, logger: Logger): void {
  if (seconds === 0) return;
  let unanswered = -Infinity;
  const ask = (): void => {
    if (unanswered++ < QUESTIONS) return void worker.send({ kind: 'ping' } satisfies Ping, () => undefined);
    clearInterval(timer);
    logger.error(
      `process ${worker.process.pid} hangs: it has answered nothing for ${seconds} s, and is ended`,
    );
    worker.process.kill('SIGKILL');
  };
  worker.on('message', ({ kind }: Partial<Pong>) => {
    if (kind === 'pong') unanswered = 0;
  });
  const timer = setInterval(ask, (seconds * 1000) / QUESTIONS).unref();
  worker.once('exit', () => clearInterval(timer));
  ask();
}
