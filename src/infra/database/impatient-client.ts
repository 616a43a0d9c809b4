import { Socket } from 'node:net';
import { Client, ClientConfig } from 'pg';
import { prepared } from './prepared';

/** "Cached plan must not change result type": a migration has changed a column under a prepared statement. */
const FEATURE_NOT_SUPPORTED = '0A000';

/**
 * A connection that is given up with the first statement that PostgreSQL does not answer in time. pg itself would leave
 * it open, still waiting for that answer: the ROLLBACK after it would wait for its own deadline as well (a caller would
 * hear of a hanging server after two or three of them), and the pool would hand it to the next request.
 * Statements with parameters are prepared, each text once.
 */
export class ImpatientClient extends Client {
  constructor(config?: ClientConfig) {
    const socket = new Socket();
    super({ ...config, stream: () => socket });
    // Whoever asks next is told. The pool and TypeORM listen while they hold it, but an error may come twice, or just when
    // it changes hands, and an unheard 'error' ends the process.
    this.on('error', () => undefined);
    const ask = this.query.bind(this) as (...args: unknown[]) => unknown;
    const impatiently = (...args: unknown[]): unknown => {
      const answer = ask(...withName(args));
      if (answer instanceof Promise) {
        answer.catch((error: Error & { code?: string }) => {
          if (error.message === 'Query read timeout' || error.code === FEATURE_NOT_SUPPORTED) {
            socket.destroy(error);
          }
        });
      }
      return answer;
    };
    this.query = impatiently as Client['query'];
  }
}

function withName(args: unknown[]): unknown[] {
  const [text, values, ...rest] = args;
  return typeof text === 'string' && Array.isArray(values) ? [prepared(text, values), ...rest] : args;
}
